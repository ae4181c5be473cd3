// What another threshold would do, without running anything.
import { useState } from "preact/hooks";
import { filterQuery } from "../address.ts";
import { Failure, Waiting } from "../controls/states.tsx";
import type { Thresholds } from "../contract.ts";
import { count, percent, plural } from "../format.ts";
import { useResource } from "../resource.ts";
import { go, linkTo, place, run } from "../store.ts";
import { outcomeAt } from "../outcomes.ts";
import { Curves, Histogram } from "./charts.tsx";

export function ThresholdsPage() {
  const { filters } = place.value;
  const { data, error, retry } = useResource<Thresholds>(`/api/thresholds?${filterQuery(filters)}`);
  const filtered = Object.keys(filters).filter((key) => key !== "tau").length > 0;
  return (
    <div class="page">
      <h1>Thresholds</h1>
      <p class="lead">
        {filtered ? "Of the filtered images: how" : "How"} many labels another threshold would give. Nothing is changed by trying.
        {filtered && <> <button type="button" class="link" onClick={() => go({ filters: {} })}>Take all images</button></>}
      </p>
      {error !== null ? <Failure line={error} retry={retry} /> : data === null ? <Waiting what="Asking for the counts" /> : <Slider thresholds={data} />}
    </div>
  );
}

function Slider({ thresholds }: { thresholds: Thresholds }) {
  const own = run.value!.threshold;
  const [tau, setTau] = useState(place.value.filters.tau ?? own);
  const now = outcomeAt(thresholds, tau);
  const before = outcomeAt(thresholds, own);
  const filters = { ...place.value.filters, tau };
  const change = (value: number, was: number, digits = 0) => {
    const difference = value - was;
    if (Math.abs(difference) < 0.5 * 10 ** -digits) return `as at ${own.toFixed(2)}`;
    return `${difference > 0 ? "+" : "−"}${digits > 0 ? Math.abs(difference).toFixed(digits) : count(Math.abs(difference))} against ${own.toFixed(2)}`;
  };
  const share = (images: number) => (thresholds.images === 0 ? "–" : percent(images / thresholds.images));
  return (
    <>
      <div class="panel tau-panel">
        <label for="threshold">Threshold τ</label>
        <input id="threshold" type="range" min="0.01" max="0.99" step="0.01" value={tau} onInput={(event) => setTau(Number(event.currentTarget.value))}
          onChange={(event) => {
            const value = Number(event.currentTarget.value);
            const { tau: _, ...others } = place.value.filters;
            go({ filters: value === own ? others : { ...others, tau: value } }, "replace");
          }} />
        <input class="tau-value" type="text" readOnly value={tau.toFixed(2)} aria-label="The threshold, to copy" onFocus={(event) => event.currentTarget.select()} />
        <p class="links">
          <a class="button primary" {...linkTo({ filters })}>Show the gallery at this τ</a>
          <button type="button" onClick={() => setTau(own)} disabled={tau === own}>Back to {own.toFixed(2)}</button>
        </p>
      </div>
      <dl class="figures" aria-live="off">
        <div><dt>Labels per image</dt><dd>{now.labelsPerImage.toFixed(2)}</dd><dd class="note">{change(now.labelsPerImage, before.labelsPerImage, 2)}</dd></div>
        <div><dt>Images with several</dt><dd>{count(now.multiple)}</dd><dd class="note">{share(now.multiple)}; {change(now.multiple, before.multiple)}</dd></div>
        <div><dt>Images with none</dt><dd>{count(now.none)}</dd><dd class="note">{share(now.none)}; {change(now.none, before.none)}</dd></div>
        <div><dt>Added labels</dt><dd>{count(now.added)}</dd><dd class="note">{change(now.added, before.added)}</dd></div>
      </dl>
      <div class="columns">
        <section class="panel">
          <h2>Probabilities</h2>
          <p class="hint">How many labels of {plural(thresholds.images, "image")} have which probability. The scale is logarithmic.</p>
          <Histogram thresholds={thresholds} tau={tau} own={own} />
        </section>
        <section class="panel">
          <h2>Images by threshold</h2>
          <p class="hint">The share of images with several labels, and with none.</p>
          <Curves thresholds={thresholds} tau={tau} own={own} />
        </section>
      </div>
    </>
  );
}
