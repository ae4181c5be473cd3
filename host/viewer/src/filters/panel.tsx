// The filters beside the gallery; on a narrow screen they are in a drawer.
import { signal } from "@preact/signals";
import { useState } from "preact/hooks";
import type { Filters as Chosen } from "../address.ts";
import { ClassPicker } from "../controls/class-picker.tsx";
import { Modal } from "../controls/modal.tsx";
import { blind, go, place, run, setFilters } from "../store.ts";
import { useMedia } from "../media.ts";
import { Check, Choice, RangeField, TextField } from "./fields.tsx";

export const drawerOpen = signal(false);

export function Filters() {
  const narrow = useMedia("(max-width: 900px)");
  if (!narrow) return <aside class="filters" aria-label="Filters"><Fields /></aside>;
  if (!drawerOpen.value) return null;
  const close = () => (drawerOpen.value = false);
  return (
    <Modal title="Filters" onClose={close} className="drawer">
      <div class="filters"><Fields /></div>
      <button type="button" class="primary" onClick={close}>Show the images</button>
    </Modal>
  );
}

function Fields() {
  const filters = place.value.filters;
  const known = run.value!;
  return (
    <>
      <ClassPicker label="Given label" value={filters.given ?? null} onChange={(given) => setFilters({ given: given ?? undefined })} />
      <ClassPicker label="Any label" value={filters.label ?? null} onChange={(label) => setFilters({ label: label ?? undefined })} />
      {!blind.value && (
        <RangeField label={filters.label === undefined ? "Probability of a label not given" : "Probability of that label"} value={filters.band} whole={[0, 1]}
          onChange={(band) => setFilters({ band })} />
      )}
      <Pair key={String(filters.pair)} pair={filters.pair} />
      <RangeField label="Number of labels" value={filters.count} whole={[0, Math.max(20, known.classes.length)]} onChange={(count) => setFilters({ count })} />
      <TextField label="Name contains" value={filters.id ?? ""} onChange={(id) => setFilters({ id: id || undefined })} placeholder="part of an id" />
      <Choice label="Reviewed" value={filters.reviewed ?? ""} options={[["", "either"], ["yes", "by somebody"], ["no", "by nobody"]]}
        onChange={(reviewed) => setFilters({ reviewed: reviewed || undefined })} />
      {known.truth && !blind.value && (
        <Choice label="Truth" value={filters.truth ?? ""} options={[["", "any"], ["wrong", "a label is not true"], ["missed", "a true class is missing"], ["right", "all labels right"]]}
          onChange={(truth) => setFilters({ truth: truth || undefined })} />
      )}
      <Skipped skipped={filters.skipped} />
      {known.sources.length > 1 && (
        <Choice label="Regions from" value={filters.source ?? ""} options={[["", "any proposer"], ...known.sources.map((name) => [name, name] as const)]}
          onChange={(source) => setFilters({ source: source || undefined })} />
      )}
      {!blind.value && <Check label="No region backs the given label" checked={filters.unsupported === "yes"} onChange={(on) => setFilters({ unsupported: on ? "yes" : undefined })} />}
      {!blind.value && <Threshold tau={filters.tau} />}
      <Check label="Blind: hide all scores" checked={blind.value} disabled={known.blind} onChange={(hidden) => go({ blind: hidden })} />
    </>
  );
}

/** A pair needs both of its classes; one alone waits here for the other. */
function Pair({ pair }: { pair: Chosen["pair"] }) {
  const [half, setHalf] = useState<(number | null)[]>([pair?.[0] ?? null, pair?.[1] ?? null]);
  const change = (position: 0 | 1, index: number | null) => {
    const next = half.with(position, index);
    const [a, b] = next;
    setHalf(next);
    if (a != null && b != null) setFilters({ pair: [a, b] });
    else if (pair) setFilters({ pair: undefined });
  };
  return (
    <fieldset class="field pair">
      <legend>Both labels of a pair</legend>
      <ClassPicker label="First of the pair" value={half[0] ?? null} onChange={(index) => change(0, index)} />
      <ClassPicker label="Second of the pair" value={half[1] ?? null} onChange={(index) => change(1, index)} />
    </fieldset>
  );
}

function Skipped({ skipped }: { skipped: string | undefined }) {
  const [asked, setAsked] = useState(false);
  const isText = skipped !== undefined && skipped !== "any" && skipped !== "none";
  const choice = isText || asked ? "text" : (skipped ?? "");
  return (
    <>
      <Choice label="Skipped" value={choice} options={[["", "either"], ["any", "in some stage"], ["none", "in no stage"], ["text", "with a reason …"]]}
        onChange={(value) => { setAsked(value === "text"); setFilters({ skipped: value === "text" ? undefined : value || undefined }); }} />
      {choice === "text" && <TextField label="Reason contains" value={isText ? skipped : ""} onChange={(text) => setFilters({ skipped: text || undefined })} placeholder="stage or reason" />}
    </>
  );
}

function Threshold({ tau }: { tau: number | undefined }) {
  const own = run.value!.threshold;
  const shown = tau ?? own;
  return (
    <div class="field">
      <label for="tau">Threshold τ <output>{shown.toFixed(2)}</output></label>
      <input id="tau" type="range" min="0.05" max="1" step="0.01" value={shown} onChange={(event) => {
        const value = Number(event.currentTarget.value);
        setFilters({ tau: Math.abs(value - own) < 0.005 ? undefined : value });
      }} />
      {tau !== undefined && <button type="button" class="link" onClick={() => setFilters({ tau: undefined })}>Back to the run's {own.toFixed(2)}</button>}
    </div>
  );
}
