import assert from "node:assert/strict";
import { test } from "node:test";
import type { Thresholds } from "../src/contract.ts";
import { binned, outcomeAt } from "../src/outcomes.ts";

// Two images: one with labels 1.0 (given) and 0.6, one with 0.5 (given) and 0.3.
const pairs = [[1, true], [0.6, false], [0.5, true], [0.3, false]] as const;
const histogram = (ofGiven: boolean) => {
  const counts = new Array<number>(1001).fill(0);
  for (const [probability, given] of pairs) if (!ofGiven || given) counts[Math.round(probability * 1000)]!++;
  return counts;
};
const images = [[1, 0.6], [0.5, 0.3]];
const imagesWith = (fits: (labels: number) => boolean) =>
  Array.from({ length: 101 }, (_, k) => images.filter((labels) => fits(labels.filter((p) => p > k / 100).length)).length);
const thresholds: Thresholds = {
  images: 2, counts: histogram(false), given: histogram(true), multiple: imagesWith((n) => n >= 2), none: imagesWith((n) => n === 0),
};

test("a label exceeds the threshold", () => {
  assert.deepEqual(outcomeAt(thresholds, 0.5), { labelsPerImage: 1, added: 1, multiple: 1, none: 1 });
  assert.deepEqual(outcomeAt(thresholds, 0.49), { labelsPerImage: 1.5, added: 1, multiple: 1, none: 0 });
  assert.deepEqual(outcomeAt(thresholds, 0.29), { labelsPerImage: 2, added: 2, multiple: 2, none: 0 });
  assert.deepEqual(outcomeAt(thresholds, 1), { labelsPerImage: 0, added: 0, multiple: 0, none: 2 });
});

test("no images, no labels", () => {
  assert.equal(outcomeAt({ images: 0, counts: [], given: [], multiple: [], none: [] }, 0.5).labelsPerImage, 0);
});

test("bins hold every probability above zero once", () => {
  const bins = binned(thresholds, 10);
  assert.deepEqual(bins.map((bin) => bin.given), [0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
  assert.deepEqual(bins.map((bin) => bin.added), [0, 0, 1, 0, 0, 1, 0, 0, 0, 0]);
});
