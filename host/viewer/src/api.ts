// Requests to the server, and the two answers that concern the whole page: no permission, and an index that is still being built.
import { signal } from "@preact/signals";

export class RequestError extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** No cookie: the address with the token has not been opened. */
export const forbidden = signal(false);
/** Counts the answers that the index is not there. */
export const unready = signal(0);

export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...init });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new RequestError(0, "the server does not answer; is `convert view` still running?");
  }
  if (response.ok) return response;
  if (response.status === 401) forbidden.value = true;
  if (response.status === 503) unready.value++;
  throw new RequestError(response.status, await errorLine(response));
}

export async function getJson<T>(path: string, signal?: AbortSignal): Promise<T> {
  return (await request(path, signal ? { signal } : {})).json() as Promise<T>;
}

export async function postJson<T>(path: string, body: unknown, signal?: AbortSignal): Promise<T> {
  const init = { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  return (await request(path, signal ? { ...init, signal } : init)).json() as Promise<T>;
}

async function errorLine(response: Response): Promise<string> {
  const text = await response.text().catch(() => "");
  try {
    const { error } = JSON.parse(text) as { error?: unknown };
    if (typeof error === "string") return error;
  } catch {
    // Not JSON: a proxy's page, perhaps.
  }
  return `the server answered ${response.status} ${response.statusText}`.trim();
}

export const isAbort = (error: unknown): boolean => error instanceof DOMException && error.name === "AbortError";

export const lineOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
