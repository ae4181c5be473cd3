// What tiles say of their samples: asked for in one request for all that are in sight, kept for scrolling back.
import { signal } from "@preact/signals";
import { getJson, isAbort, lineOf } from "../api.ts";
import type { Row } from "../contract.ts";

const KEPT = 5000;
const AT_ONCE = 500;

const rows = new Map<number, Row>();
/** Changes whenever rows come in. */
export const rowsVersion = signal(0);
export const rowsError = signal<string | null>(null);
let current: { wanted: Set<number>; controller: AbortController } | null = null;

export const rowOf = (sample: number): Row | undefined => rows.get(sample);

/** Asks for what is missing; a request for what is not in sight any more is aborted. */
export function wantRows(samples: number[]): void {
  const missing = samples.filter((sample) => !rows.has(sample)).slice(0, AT_ONCE);
  if (current && missing.length > 0 && missing.every((sample) => current!.wanted.has(sample))) return;
  current?.controller.abort();
  current = null;
  if (missing.length === 0) return;
  const mine = { wanted: new Set(missing), controller: new AbortController() };
  current = mine;
  getJson<Row[]>(`/api/rows?samples=${missing.join(",")}`, mine.controller.signal).then(
    (answer) => {
      for (const row of answer) putRow(row);
      trim(samples);
      if (current === mine) current = null;
      rowsError.value = null;
    },
    (error: unknown) => {
      if (current === mine) current = null;
      if (!isAbort(error)) rowsError.value = lineOf(error);
    },
  );
}

export function putRow(row: Row): void {
  rows.delete(row.sample);
  rows.set(row.sample, row);
  rowsVersion.value++;
}

function trim(inSight: number[]): void {
  const needed = new Set(inSight);
  for (const sample of rows.keys()) {
    if (rows.size <= KEPT) return;
    if (!needed.has(sample)) rows.delete(sample);
  }
}
