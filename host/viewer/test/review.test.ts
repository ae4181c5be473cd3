import assert from "node:assert/strict";
import { test } from "node:test";
import type { ReviewState } from "../src/contract.ts";
import { addOrAccept, applied, labelsShown, ownState, stepOf } from "../src/review.ts";

const state: ReviewState = { labels: [[3, 0.9, "kept"], [5, 0.6, "kept"]], bad_masks: [], drawn: [], complete_by: [], undo: null };

test("labels are judged, and judged again", () => {
  const rejected = applied(state, { action: "reject", class: 5 }, "anna");
  assert.deepEqual(rejected.labels, [[3, 0.9, "kept"], [5, 0.6, "rejected"]]);
  assert.deepEqual(applied(rejected, { action: "accept", class: 5 }, "anna").labels[1], [5, 0.6, "accepted"]);
  assert.deepEqual(state.labels[1], [5, 0.6, "kept"], "the state before is left as it was");
});

test("a class that was not there is added", () => {
  assert.deepEqual(applied(state, { action: "add", class: 8 }, "anna").labels[2], [8, 0, "added"]);
});

test("masks are marked bad once, and good again", () => {
  const once = applied(applied(state, { action: "bad-mask", region: 2 }, "anna"), { action: "bad-mask", region: 2 }, "anna");
  assert.deepEqual(once.bad_masks, [2]);
  assert.deepEqual(applied(once, { action: "good-mask", region: 2 }, "anna").bad_masks, []);
});

test("an image is complete by a reviewer once", () => {
  const twice = applied(applied(state, { action: "complete" }, "anna"), { action: "complete" }, "anna");
  assert.deepEqual(twice.complete_by, ["anna"]);
});

test("a second opinion does not see the first", () => {
  const classes = ["a", "b", "c", "d", "e", "f"];
  const events = [
    { id: "1", who: "anna", action: "reject", class: "d" },
    { id: "2", who: "anna", action: "complete" },
    { id: "3", who: "ben", action: "accept", class: "f" },
  ] as const;
  const steps = events.filter(({ who }) => who === "ben").map((event) => stepOf(event, classes));
  const own = ownState(state.labels, steps, "ben", "3");
  assert.deepEqual(own.labels, [[3, 0.9, "kept"], [5, 0.6, "accepted"]]);
  assert.deepEqual(own.complete_by, []);
  assert.equal(own.undo, "3");
});

test("a drawn region comes with its label", () => {
  const mask = { size: [1, 1] as [number, number], counts: "01" };
  const drawn = applied(state, { action: "add", class: 8, mask }, "anna");
  assert.deepEqual(drawn.drawn, [{ class: 8, mask, event: "" }]);
  assert.deepEqual(drawn.labels[2], [8, 0, "added"]);
});

test("adding what is labelled accepts it, unless it comes with a mask", () => {
  assert.equal(addOrAccept(state, 5).action, "accept");
  assert.equal(addOrAccept(state, 9).action, "add");
  assert.equal(addOrAccept(state, 5, { size: [1, 1], counts: "01" }).action, "add");
});

test("a complete image says what its reviewer sees", () => {
  const seen = [[3, 0.9, "kept"], [5, 0.6, "rejected"], [7, 0.1, "added"], [9, 0.4, "below"]] as const;
  assert.deepEqual([labelsShown(seen, false), labelsShown(seen, true)], [[3, 7], [3, 7, 9]]);
});
