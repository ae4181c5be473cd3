import assert from "node:assert/strict";
import { test } from "node:test";
import { filterQuery, formatAddress, parseAddress, placeWith, resultQuery, withoutScores } from "../src/address.ts";

test("an empty address is the gallery", () => {
  assert.deepEqual(parseAddress(""), placeWith({}));
});

test("every state comes back from its address", () => {
  const places = [
    placeWith({
      filters: {
        given: 0, label: 12, band: [0.3, 0.5], count: [2, 9], pair: [3, 4], source: "vit & <dino>", skipped: "regions: the file ends early", reviewed: "no",
        truth: "missed", unsupported: "yes", id: "n01440764/a+b=c.JPEG", tau: 0.35,
      },
      order: "near", at: 640_000, sample: 1_279_999,
    }),
    placeWith({ order: "random", seed: 7, blind: true }),
    placeWith({ view: "queue", queue: { kind: "second", n: 20 }, blind: true, sample: 3 }),
    placeWith({ view: "class", classIndex: 0 }),
    placeWith({ view: "thresholds", filters: { given: 5 } }),
  ];
  for (const place of places) assert.deepEqual(parseAddress(formatAddress(place).slice(1)), place);
});

test("the address is plain to read", () => {
  assert.equal(formatAddress(placeWith({ filters: { given: 12, band: [0.3, 0.5] }, order: "near" })), "/?view=gallery&given=12&band=0.3,0.5&order=near");
});

test("what makes no sense is left out", () => {
  const place = parseAddress("?view=nonsense&given=-1&label=x&band=0.5,0.2&count=1&tau=2&order=best&seed=1.5&pair=3&reviewed=maybe&sample=&at=1e3&token=T");
  assert.deepEqual(place, placeWith({}));
});

test("the server is asked with the filters and the order alone", () => {
  const place = placeWith({ filters: { pair: [1, 2], tau: 0.25 }, order: "random", seed: 3, sample: 5, at: 100, blind: true });
  assert.equal(resultQuery(place), "pair=1%2C2&tau=0.25&order=random&seed=3");
  assert.equal(filterQuery({}).toString(), "");
  assert.equal(resultQuery(placeWith({ seed: 3 })), "");
});

test("while scores are hidden no filter and no order tells them", () => {
  const place = parseAddress("?view=gallery&given=3&band=0.4,0.6&unsupported=yes&truth=wrong&tau=0.2&order=near&blind=1");
  const { filters, order } = withoutScores(place);
  assert.deepEqual([filters, order], [{ given: 3 }, "id"]);
  assert.equal(withoutScores(parseAddress("?order=random&seed=4")).order, "random");
});
