// What another threshold would do, from the counts that the server has made once.
import type { Thresholds } from "./contract.ts";

export interface Outcome {
  labelsPerImage: number;
  added: number;
  multiple: number;
  none: number;
}

/** Labels are those whose probability exceeds the threshold; counts are kept in thousandths, images in hundredths. */
export function outcomeAt({ images, counts, given, multiple, none }: Thresholds, threshold: number): Outcome {
  const labels = sumAbove(counts, threshold);
  return {
    labelsPerImage: images === 0 ? 0 : labels / images,
    added: labels - sumAbove(given, threshold),
    multiple: multiple[Math.round(threshold * 100)] ?? 0,
    none: none[Math.round(threshold * 100)] ?? 0,
  };
}

function sumAbove(counts: number[], threshold: number): number {
  let sum = 0;
  for (let k = Math.round(threshold * 1000) + 1; k < counts.length; k++) sum += counts[k]!;
  return sum;
}

export interface Bin {
  low: number;
  high: number;
  given: number;
  added: number;
}

/** The thousandths of `thresholds` in `bins` equal parts of (0, 1]; probability 0 is no label anywhere and is left out. */
export function binned({ counts, given }: Thresholds, bins: number): Bin[] {
  const result = Array.from({ length: bins }, (_, bin) => ({ low: bin / bins, high: (bin + 1) / bins, given: 0, added: 0 }));
  for (let k = 1; k < counts.length; k++) {
    const bin = result[Math.min(bins - 1, Math.floor(((k - 1) * bins) / (counts.length - 1)))]!;
    bin.given += given[k] ?? 0;
    bin.added += counts[k]! - (given[k] ?? 0);
  }
  return result;
}
