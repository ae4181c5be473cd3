import assert from "node:assert/strict";
import { test } from "node:test";
import { searchClasses } from "../src/controls/class-search.ts";
import { fitted, panned, toImage, zoomed } from "../src/large/frame.ts";

test("classes are found by any part of their name, beginnings first", () => {
  const classes = ["great white shark", "Shar pei", "tiger shark", "marsh", "shark"];
  assert.deepEqual(searchClasses(classes, "shar", 10), [1, 4, 0, 2]);
  assert.deepEqual(searchClasses(classes, "SHARK", 10), [4, 0, 2]);
  assert.deepEqual(searchClasses(classes, "", 2), [0, 1]);
  assert.deepEqual(searchClasses(classes, "whale", 10), []);
});

test("an image fits its frame and is in the middle of it", () => {
  const frame = fitted({ width: 1000, height: 500 }, { width: 524, height: 400 });
  assert.deepEqual(frame, { scale: 0.5, x: 12, y: 75 });
  assert.deepEqual(toImage(frame, 12 + 250, 75 + 125), [500, 250]);
});

test("zooming keeps the point under the pointer", () => {
  const frame = fitted({ width: 640, height: 480 }, { width: 800, height: 600 });
  const before = toImage(frame, 300, 200);
  const after = toImage(zoomed(frame, 3, 300, 200), 300, 200);
  assert.ok(Math.hypot(before[0] - after[0], before[1] - after[1]) < 1e-9);
});

test("an image cannot be moved out of sight", () => {
  const [image, sight] = [{ width: 640, height: 480 }, { width: 800, height: 600 }];
  const moved = panned(fitted(image, sight), 9999, -9999, image, sight);
  assert.equal(moved.x, 760);
  assert.ok(moved.y + 480 * moved.scale >= 40 - 1e-9);
});
