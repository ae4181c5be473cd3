import assert from "node:assert/strict";
import { test } from "node:test";
import { type Extent, LIMIT, isStuck, rowsInSight, scrollTo, scrolled, scrollerHeight } from "../src/scroll.ts";

const rowHeight = 230;
const many: Extent = { length: Math.ceil(1_280_000 / 6) * rowHeight, viewport: 800 };
const few: Extent = { length: 120 * rowHeight, viewport: 800 };
const lastTop = scrollerHeight(many) - many.viewport;

test("a short list is scrolled by the browser alone", () => {
  assert.equal(scrollerHeight(few), few.length);
  assert.deepEqual(scrolled(few, { position: 0, top: 0 }, 12_345), { position: 12_345, top: 12_345 });
});

test("1,280,000 tiles are longer than a browser's element, and the scroller is not", () => {
  assert.ok(many.length > 33_500_000);
  assert.equal(scrollerHeight(many), LIMIT);
});

test("a wheel's step moves the list by its pixels, anywhere", () => {
  for (const share of [0, 0.1, 0.5, 0.99]) {
    const from = scrollTo(many, share * many.length);
    assert.equal(scrolled(many, from, from.top + 120).position, from.position + 120);
  }
});

test("a dragged bar moves the list by its share and reaches both ends", () => {
  const middle = scrolled(many, { position: 0, top: 0 }, lastTop / 2);
  assert.ok(Math.abs(middle.position / (many.length - many.viewport) - 0.5) < 1e-6);
  assert.equal(scrolled(many, middle, 0).position, 0);
  assert.equal(scrolled(many, middle, lastTop).position, many.length - many.viewport);
});

test("moving the scroller to its place and reading it again changes nothing", () => {
  for (const share of [0, 1e-5, 0.003, 0.2, 0.7, 0.9999, 1]) {
    const there = scrollTo(many, share * many.length);
    const back = scrolled(many, { position: 0, top: -10 * many.viewport }, there.top);
    assert.ok(Math.abs(back.position - there.position) <= many.length / LIMIT, `at ${share}`);
    assert.equal(isStuck(many, there), false);
  }
});

test("steps alone lead to the first and the last row", () => {
  for (const direction of [1, -1]) {
    let scroll = scrollTo(many, direction > 0 ? many.length - 100 * many.viewport : 100 * many.viewport);
    for (let steps = 0; steps < 2000; steps++) {
      scroll = scrolled(many, scroll, Math.min(Math.max(scroll.top + direction * 120, 0), lastTop));
      if (isStuck(many, scroll)) scroll = scrollTo(many, scroll.position);
    }
    assert.equal(scroll.position, direction > 0 ? many.length - many.viewport : 0);
  }
});

test("a long way by wheel without a pause does not end early", () => {
  let scroll = scrollTo(many, many.length / 2);
  const from = scroll.position;
  for (let steps = 0; steps < 100_000; steps++) {
    scroll = scrolled(many, scroll, Math.min(scroll.top + 120, lastTop));
    if (isStuck(many, scroll)) scroll = scrollTo(many, scroll.position);
  }
  assert.equal(scroll.position, from + 100_000 * 120);
});

test("rows in sight", () => {
  assert.deepEqual(rowsInSight(few, 0, rowHeight, 0), [0, 4]);
  assert.deepEqual(rowsInSight(few, 2 * rowHeight + 1, rowHeight, 1), [1, 7]);
  assert.deepEqual(rowsInSight(few, few.length - few.viewport, rowHeight, 2)[1], 120);
});
