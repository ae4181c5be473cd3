// COCO's compressed run lengths (the string of pycocotools) and what can be done with them without unpacking all pixels.
import type { Mask } from "./contract.ts";

/** A foreground run within one column: rows `top` to `bottom`, the latter left out. */
export interface Span {
  column: number;
  top: number;
  bottom: number;
}

/** The run lengths of `counts`: background first, column by column. */
export function decodeCounts(counts: string): number[] {
  const runs: number[] = [];
  for (let at = 0; at < counts.length; ) {
    let value = 0;
    let shift = 0;
    for (;;) {
      const code = counts.charCodeAt(at++) - 48;
      if (!(code >= 0 && code < 64)) throw new Error("a mask's counts end early or hold a foreign character");
      value |= (code & 0x1f) << shift;
      shift += 5;
      if (code & 0x20) continue;
      if (code & 0x10 && shift < 32) value |= -1 << shift;
      break;
    }
    // From the fourth on, a run is written as its difference to the last one of its kind.
    if (runs.length > 2) value += runs[runs.length - 2]!;
    if (value < 0) throw new Error("a mask has a run of negative length");
    runs.push(value);
  }
  return runs;
}

/** The foreground, cut at the ends of columns. */
export function spansOf(mask: Mask): Span[] {
  const [height, width] = mask.size;
  const spans: Span[] = [];
  let position = 0;
  decodeCounts(mask.counts).forEach((run, place) => {
    const end = position + run;
    if (end > height * width) throw new Error("a mask's runs exceed its size");
    if (place % 2 === 1) {
      while (position < end) {
        const column = Math.floor(position / height);
        const top = position - column * height;
        const bottom = Math.min(height, top + end - position);
        spans.push({ column, top, bottom });
        position += bottom - top;
      }
    }
    position = end;
  });
  return spans;
}

export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export function boxOf(spans: Span[]): Box | null {
  if (spans.length === 0) return null;
  const box = { left: Infinity, top: Infinity, right: 0, bottom: 0 };
  for (const { column, top, bottom } of spans) {
    box.left = Math.min(box.left, column);
    box.right = Math.max(box.right, column + 1);
    box.top = Math.min(box.top, top);
    box.bottom = Math.max(box.bottom, bottom);
  }
  return box;
}

export const areaOf = (spans: Span[]): number => spans.reduce((area, { top, bottom }) => area + bottom - top, 0);

/** Whether the pixel is in the foreground; spans come column by column, downwards. */
export function covers(spans: Span[], x: number, y: number): boolean {
  let low = 0;
  let high = spans.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const span = spans[middle]!;
    if (span.column < x || (span.column === x && span.bottom <= y)) low = middle + 1;
    else high = middle;
  }
  const span = spans[low];
  return span !== undefined && span.column === x && span.top <= y;
}

/** Edges between foreground and background as segments x1, y1, x2, y2, straight ones joined. */
export function outlineOf(spans: Span[]): number[] {
  const segments: number[] = [];
  const open = new Map<number, number>();
  let last: Span[] = [];
  let column = -1;
  // Horizontal edges go on while the next column has an edge at the same row.
  const closeExcept = (x: number, rows: Set<number>) => {
    for (const [key, from] of open) {
      if (rows.has(key)) continue;
      segments.push(from, key >> 1, x, key >> 1);
      open.delete(key);
    }
  };
  const finish = (current: Span[], x: number) => {
    verticalEdges(last, current, x, segments);
    // The side of the foreground is a part of the key, so that touching corners do not join.
    const rows = new Set(current.flatMap((span) => [span.top * 2, span.bottom * 2 + 1]));
    closeExcept(x, rows);
    for (const key of rows) if (!open.has(key)) open.set(key, x);
    last = current;
    column = x;
  };
  for (let at = 0; at < spans.length; ) {
    const x = spans[at]!.column;
    const current: Span[] = [];
    for (; spans[at]?.column === x; at++) current.push(spans[at]!);
    if (column >= 0 && x > column + 1) finish([], column + 1);
    finish(current, x);
  }
  if (column >= 0) finish([], column + 1);
  return segments;
}

/** Rows where exactly one of two neighbouring columns is in the foreground. */
function verticalEdges(left: Span[], right: Span[], x: number, segments: number[]): void {
  const ends = [...left, ...right].flatMap((span) => [span.top, span.bottom]).sort((a, b) => a - b);
  // Every end flips the difference of the two columns; equal ends cancel.
  for (let at = 0; at + 1 < ends.length; at += 2) {
    if (ends[at]! < ends[at + 1]!) segments.push(x, ends[at]!, x, ends[at + 1]!);
  }
}
