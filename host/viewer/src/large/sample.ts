// A sample with its regions; the next one is asked for before it is shown.
import { getJson } from "../api.ts";
import type { Sample } from "../contract.ts";
import { loadPicture } from "./picture.ts";

const FRESH = 20_000;
const ahead = new Map<string, { asked: number; answer: Promise<Sample> }>();
const asked = new WeakMap<Sample, number>();

/** When the server was asked for what it said of a sample. */
export const askedAt = (sample: Sample): number => asked.get(sample) ?? 0;

/** What was asked for ahead of a sample is no longer true. */
export function forgetAhead(sample: number): void {
  for (const path of ahead.keys()) if (path === `/api/sample/${sample}` || path.startsWith(`/api/sample/${sample}?`)) ahead.delete(path);
}

async function get(path: string, signal?: AbortSignal): Promise<Sample> {
  const begun = performance.now();
  const answer = await getJson<Sample>(path, signal);
  asked.set(answer, begun);
  return answer;
}

const pathOf = (sample: number, who: string): string => `/api/sample/${sample}${who ? `?who=${encodeURIComponent(who)}` : ""}`;

export function loadSample(sample: number, who: string, signal: AbortSignal): Promise<Sample> {
  const path = pathOf(sample, who);
  const known = ahead.get(path);
  ahead.delete(path);
  // Somebody else may have reviewed it meanwhile.
  return known && Date.now() - known.asked < FRESH ? known.answer : get(path, signal);
}

export function lookAhead(sample: number, who: string): void {
  const path = pathOf(sample, who);
  if (!ahead.has(path)) {
    const answer = get(path);
    answer.catch(() => ahead.delete(path));
    ahead.set(path, { asked: Date.now(), answer });
    for (const oldest of ahead.keys()) {
      if (ahead.size <= 4) break;
      ahead.delete(oldest);
    }
  }
  loadPicture(sample).catch(() => undefined);
}
