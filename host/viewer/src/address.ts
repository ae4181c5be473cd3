// The page's state is in the query of its address, so that a view can be sent to a colleague.
import type { QueueKind } from "./contract.ts";

export const VIEWS = ["gallery", "queue", "summary", "classes", "class", "pairs", "thresholds"] as const;
export type View = (typeof VIEWS)[number];

export const ORDERS = ["id", "unsupported", "added", "near", "changed", "random"] as const;
export type Order = (typeof ORDERS)[number];

export const QUEUE_KINDS: readonly QueueKind[] = ["near", "unsupported", "random", "mixed", "second"];

export type Range = [low: number, high: number];

/** All optional; they combine by AND. */
export interface Filters {
  given?: number;
  label?: number;
  band?: Range;
  count?: Range;
  pair?: [a: number, b: number];
  source?: string;
  skipped?: string;
  reviewed?: "yes" | "no";
  truth?: "wrong" | "missed" | "right";
  unsupported?: "yes";
  id?: string;
  tau?: number;
}

export interface Place {
  view: View;
  filters: Filters;
  order: Order;
  seed: number;
  /** The sample that is shown large. */
  sample: number | null;
  /** Where the gallery is scrolled to: the place in the result of the first tile in sight. */
  at: number;
  /** The class of the class page. */
  classIndex: number | null;
  queue: { kind: QueueKind; n: number } | null;
  /** Hides all scores. */
  blind: boolean;
}

const FIRST: Place = {
  view: "gallery", filters: {}, order: "id", seed: 0, sample: null, at: 0, classIndex: null, queue: null, blind: false,
};

export const placeWith = (changes: Partial<Place>): Place => ({ ...FIRST, ...changes });

/** What cannot be read is left out: an address may have been typed. */
export function parseAddress(query: string): Place {
  const given = new URLSearchParams(query);
  const text = (key: string) => given.get(key) ?? undefined;
  const natural = (key: string) => naturalOf(text(key));
  const kind = oneOf(QUEUE_KINDS, text("queue"));
  return {
    view: oneOf(VIEWS, text("view")) ?? "gallery",
    filters: parseFilters(given),
    order: oneOf(ORDERS, text("order")) ?? "id",
    seed: natural("seed") ?? 0,
    sample: natural("sample") ?? null,
    at: natural("at") ?? 0,
    classIndex: natural("class") ?? null,
    queue: kind ? { kind, n: Math.min(Math.max(natural("n") ?? 50, 1), 1000) } : null,
    blind: text("blind") === "1",
  };
}

function parseFilters(given: URLSearchParams): Filters {
  const text = (key: string) => given.get(key) || undefined;
  return withoutUndefined({
    given: naturalOf(text("given")),
    label: naturalOf(text("label")),
    band: rangeOf(text("band"), probabilityOf),
    count: rangeOf(text("count"), naturalOf),
    pair: pairOf(text("pair")),
    source: text("source"),
    skipped: text("skipped"),
    reviewed: oneOf(["yes", "no"] as const, text("reviewed")),
    truth: oneOf(["wrong", "missed", "right"] as const, text("truth")),
    unsupported: oneOf(["yes"] as const, text("unsupported")),
    id: text("id"),
    tau: probabilityOf(text("tau")),
  });
}

/** The filters as the server reads them; the same form is used in the address. */
export function filterQuery(filters: Filters): URLSearchParams {
  const query = new URLSearchParams();
  const keys = ["given", "label", "band", "count", "pair", "source", "skipped", "reviewed", "truth", "unsupported", "id", "tau"] as const;
  for (const key of keys) {
    const value = filters[key];
    if (value !== undefined) query.set(key, Array.isArray(value) ? value.join(",") : String(value));
  }
  return query;
}

/** What the gallery asks for. */
export function resultQuery({ filters, order, seed }: Pick<Place, "filters" | "order" | "seed">): string {
  const query = filterQuery(filters);
  if (order !== "id") query.set("order", order);
  if (order === "random" && seed !== 0) query.set("seed", String(seed));
  return query.toString();
}

/** The orders that tell nothing of scores. */
export const BLIND_ORDERS: readonly Order[] = ["id", "random"];

/** A place as it is shown while scores are hidden: no filter and no order tells them. */
export function withoutScores(place: Place): Place {
  const { band: _band, unsupported: _unsupported, truth: _truth, tau: _tau, ...filters } = place.filters;
  return { ...place, filters, order: BLIND_ORDERS.includes(place.order) ? place.order : "id" };
}

export function formatAddress(place: Place): string {
  const query = new URLSearchParams({ view: place.view });
  if (place.classIndex !== null) query.set("class", String(place.classIndex));
  if (place.queue) {
    query.set("queue", place.queue.kind);
    query.set("n", String(place.queue.n));
  }
  for (const [key, value] of new URLSearchParams(resultQuery(place))) query.set(key, value);
  if (place.at > 0) query.set("at", String(place.at));
  if (place.blind) query.set("blind", "1");
  if (place.sample !== null) query.set("sample", String(place.sample));
  // Commas need no escape in a query, and are easier to read.
  return "/?" + query.toString().replaceAll("%2C", ",");
}

export function naturalOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

export function probabilityOf(text: string | undefined): number | undefined {
  const value = Number(text);
  return text !== undefined && text.trim() !== "" && value >= 0 && value <= 1 ? value : undefined;
}

function rangeOf(text: string | undefined, parse: (text: string | undefined) => number | undefined): Range | undefined {
  const [low, high] = (text ?? "").split(",").map(parse);
  return low !== undefined && high !== undefined && low <= high ? [low, high] : undefined;
}

function pairOf(text: string | undefined): [number, number] | undefined {
  const [a, b] = (text ?? "").split(",").map(naturalOf);
  return a !== undefined && b !== undefined ? [a, b] : undefined;
}

function oneOf<T extends string>(known: readonly T[], text: string | undefined): T | undefined {
  return known.find((name) => name === text);
}

function withoutUndefined(filters: { [Key in keyof Filters]: Filters[Key] | undefined }): Filters {
  return Object.fromEntries(Object.entries(filters).filter(([, value]) => value !== undefined)) as Filters;
}
