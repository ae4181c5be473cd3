import assert from "node:assert/strict";
import { test } from "node:test";
import { areaOf, boxOf, covers, decodeCounts, outlineOf, spansOf } from "../src/rle.ts";

// Encoded by pycocotools 2.0; the runs were counted from the pixels.
const references: { name: string; size: [number, number]; counts: string; runs: number[]; box: [number, number, number, number] | null }[] = [
  { name: "empty", size: [3, 4], counts: "<", runs: [12], box: null },
  { name: "full", size: [3, 4], counts: "0<", runs: [0, 12], box: [0, 0, 4, 3] },
  { name: "box", size: [5, 6], counts: ";320004", runs: [11, 3, 2, 3, 2, 3, 6], box: [2, 1, 5, 4] },
  { name: "corners that touch", size: [4, 4], counts: "014050", runs: [0, 1, 4, 1, 9, 1], box: [0, 0, 4, 4] },
  {
    name: "disk", size: [40, 30], counts: "a:7o04M2O0O2O000000000001N101N3LY8", box: [8, 13, 23, 28],
    runs: [337, 7, 31, 11, 28, 13, 27, 13, 26, 15, 25, 15, 25, 15, 25, 15, 25, 15, 25, 15, 25, 15, 26, 13, 27, 13, 28, 11, 31, 7, 296],
  },
  { name: "over a column end", size: [7, 5], counts: "<5b0", runs: [12, 5, 18], box: [1, 0, 3, 7] },
  {
    name: "noise", size: [9, 8], counts: "11151N1MN010O30O8NH0040M0O14OL41", box: [0, 0, 8, 9],
    runs: [1, 1, 1, 6, 2, 4, 3, 1, 1, 1, 2, 1, 1, 4, 1, 3, 9, 1, 1, 1, 1, 5, 1, 2, 1, 1, 2, 5, 1, 1, 5, 2],
  },
  { name: "long runs", size: [2000, 1500], counts: "TYgZ1Xh1X6000\\ad`1", runs: [1400100, 1800, 200, 1800, 200, 1800, 1594100], box: [700, 100, 703, 1900] },
];

const foreground = (runs: number[]) => runs.filter((_, place) => place % 2 === 1).reduce((sum, run) => sum + run, 0);

function pixelsOf(runs: number[]): Uint8Array {
  return Uint8Array.from(runs.flatMap((run, place) => new Array<number>(run).fill(place % 2)));
}

for (const { name, size, counts, runs, box } of references) {
  test(`${name}: as pycocotools wrote it`, () => {
    assert.deepEqual(decodeCounts(counts), runs);
    const spans = spansOf({ size, counts });
    assert.equal(areaOf(spans), foreground(runs));
    const found = boxOf(spans);
    assert.deepEqual(found && [found.left, found.top, found.right, found.bottom], box);
  });
}

test("covers says the same as the pixels", () => {
  for (const { size, counts, runs } of references.slice(0, 7)) {
    const pixels = pixelsOf(runs);
    const spans = spansOf({ size, counts });
    for (let x = 0; x < size[1]; x++) {
      for (let y = 0; y < size[0]; y++) assert.equal(covers(spans, x, y), pixels[x * size[0] + y] === 1, `${x}, ${y}`);
    }
  }
});

test("the outline is as long as the border between foreground and background", () => {
  for (const { size: [height, width], counts, runs } of references.slice(0, 7)) {
    const pixels = pixelsOf(runs);
    const at = (x: number, y: number) => (x < 0 || y < 0 || x >= width || y >= height ? 0 : pixels[x * height + y]!);
    let border = 0;
    for (let x = -1; x < width; x++) {
      for (let y = -1; y < height; y++) border += Number(at(x, y) !== at(x + 1, y)) + Number(at(x, y) !== at(x, y + 1));
    }
    const segments = outlineOf(spansOf({ size: [height, width], counts }));
    let length = 0;
    for (let k = 0; k < segments.length; k += 4) {
      length += Math.abs(segments[k + 2]! - segments[k]!) + Math.abs(segments[k + 3]! - segments[k + 1]!);
    }
    assert.equal(length, border);
  }
});

test("straight edges are one segment", () => {
  assert.equal(outlineOf(spansOf({ size: [5, 6], counts: ";320004" })).length, 4 * 4);
});

test("foreign strings are refused", () => {
  assert.throws(() => decodeCounts("P"), /end early/);
  assert.throws(() => decodeCounts("~~"), /foreign/);
  assert.throws(() => spansOf({ size: [2, 2], counts: "0<" }), /exceed/);
});
