// How many images match, which filters say so, and the order they come in.
import { type Filters, type Order, BLIND_ORDERS, ORDERS } from "../address.ts";
import { count, plural } from "../format.ts";
import { blind, className, go, run, setFilters, shownPlace, tileSize } from "../store.ts";
import { forgetResult } from "../gallery/result.ts";
import { drawerOpen } from "./panel.tsx";

const ORDER_TEXT: Record<Order, [name: string, sentence: string]> = {
  id: ["Name", "In the order of their ids."],
  unsupported: ["Least supported first", "Images whose regions back the given label least come first: it is likely to be wrong."],
  added: ["Surest addition first", "The highest probability of a label that was not given comes first."],
  near: ["Nearest to τ first", "Images with a class close to the threshold come first: the next ones to judge."],
  changed: ["Most additions first", "Images that got the most labels beside the given one come first."],
  random: ["Random", "A random order; the same number gives the same order."],
};

export function ResultBar({ total, query, retry }: { total: number | null; query: string; retry: () => void }) {
  const { order, seed, filters } = shownPlace.value;
  const active = describe(filters);
  return (
    <div class="result-bar">
      <div class="result-line">
        <p class="matches" role="status">
          {total === null ? "…" : <><b>{count(total)}</b> of {plural(run.value!.samples, "image")}</>}
        </p>
        <button type="button" class="filters-button" onClick={() => (drawerOpen.value = true)}>Filters{active.length > 0 && ` (${active.length})`}</button>
        <label class="order">
          <span>Order</span>
          <select value={order} title={ORDER_TEXT[order][1]} onChange={(event) => go({ order: event.currentTarget.value as Order, at: 0 })}>
            {(blind.value ? BLIND_ORDERS : ORDERS).map((name) => <option key={name} value={name}>{ORDER_TEXT[name][0]}</option>)}
          </select>
        </label>
        {order === "random" && <button type="button" onClick={() => go({ seed: seed + 1, at: 0 })}>Shuffle</button>}
        <label class="order size">
          <span>Tiles</span>
          <select value={tileSize.value.value} onChange={(event) => tileSize.set(event.currentTarget.value as "small")}>
            <option value="small">small</option>
            <option value="medium">medium</option>
            <option value="large">large</option>
          </select>
        </label>
        <button type="button" class="icon" title="Ask again, with what was reviewed meanwhile" aria-label="Ask again" onClick={() => { forgetResult(query); retry(); }}>↻</button>
      </div>
      <p class="hint order-text">{ORDER_TEXT[order][1]}</p>
      {active.length > 0 && (
        <ul class="chips" aria-label="Filters in use">
          {active.map(([key, text]) => (
            <li key={key}>
              <button type="button" class="chip" onClick={() => setFilters({ [key]: undefined })}>
                <span class="name">{text}</span> <span aria-hidden="true">✕</span><span class="unseen">, remove</span>
              </button>
            </li>
          ))}
          <li><button type="button" class="chip all" onClick={() => go({ filters: {}, at: 0 })}>Clear all</button></li>
        </ul>
      )}
    </div>
  );
}

function describe(filters: Filters): [keyof Filters, string][] {
  const texts: [keyof Filters, string | false | undefined][] = [
    ["given", filters.given !== undefined && `given ${className(filters.given)}`],
    ["label", filters.label !== undefined && `label ${className(filters.label)}`],
    ["band", filters.band && `probability ${filters.band.join(" to ")}`],
    ["pair", filters.pair && filters.pair.map(className).join(" with ")],
    ["count", filters.count && (filters.count[0] === filters.count[1] ? plural(filters.count[0], "label") : `${filters.count.join(" to ")} labels`)],
    ["id", filters.id && `name contains “${filters.id}”`],
    ["reviewed", filters.reviewed && (filters.reviewed === "yes" ? "reviewed" : "not reviewed")],
    ["truth", filters.truth && { wrong: "a label is not true", missed: "a true class is missing", right: "all labels right" }[filters.truth]],
    ["skipped", filters.skipped && ({ any: "skipped", none: "not skipped" }[filters.skipped] ?? `skipped: ${filters.skipped}`)],
    ["source", filters.source && `regions from ${filters.source}`],
    ["unsupported", filters.unsupported && "given label unsupported"],
    ["tau", filters.tau !== undefined && `τ ${filters.tau}`],
  ];
  return texts.filter((entry): entry is [keyof Filters, string] => Boolean(entry[1]));
}
