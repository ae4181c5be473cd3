// A sample with its regions; the next one is asked for before it is shown.
import { getJson } from "../api.ts";
import type { Sample } from "../contract.ts";
import { loadPicture } from "./picture.ts";

const FRESH = 20_000;
const ahead = new Map<string, { asked: number; answer: Promise<Sample> }>();

const pathOf = (sample: number, who: string): string => `/api/sample/${sample}${who ? `?who=${encodeURIComponent(who)}` : ""}`;

export function loadSample(sample: number, who: string, signal: AbortSignal): Promise<Sample> {
  const path = pathOf(sample, who);
  const known = ahead.get(path);
  ahead.delete(path);
  // Somebody else may have reviewed it meanwhile.
  return known && Date.now() - known.asked < FRESH ? known.answer : getJson<Sample>(path, signal);
}

export function lookAhead(sample: number, who: string): void {
  const path = pathOf(sample, who);
  if (!ahead.has(path)) {
    const answer = getJson<Sample>(path);
    answer.catch(() => ahead.delete(path));
    ahead.set(path, { asked: Date.now(), answer });
    for (const oldest of ahead.keys()) {
      if (ahead.size <= 4) break;
      ahead.delete(oldest);
    }
  }
  loadPicture(sample).catch(() => undefined);
}
