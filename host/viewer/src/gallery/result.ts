// The matching sample numbers in order, as the server sent them: four bytes each.
import { request } from "../api.ts";

const littleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;
const kept = new Map<string, Uint32Array>();

/** Results stay until their filters have not been used for a while: going back shows the same list, whatever was reviewed meanwhile. */
export async function loadResult(query: string, signal: AbortSignal): Promise<Uint32Array> {
  const known = kept.get(query);
  if (known) return known;
  const buffer = await (await request(`/api/query?${query}`, { signal })).arrayBuffer();
  const result = littleEndian ? new Uint32Array(buffer) : swapped(buffer);
  kept.set(query, result);
  for (const oldest of kept.keys()) {
    if (kept.size <= 4) break;
    kept.delete(oldest);
  }
  return result;
}

export const forgetResult = (query: string): boolean => kept.delete(query);

function swapped(buffer: ArrayBuffer): Uint32Array {
  const view = new DataView(buffer);
  return Uint32Array.from({ length: buffer.byteLength / 4 }, (_, place) => view.getUint32(4 * place, true));
}
