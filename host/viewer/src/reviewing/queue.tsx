// Images in the order that is worth a reviewer's time.
import { useEffect, useMemo, useState } from "preact/hooks";
import { QUEUE_KINDS } from "../address.ts";
import { Failure, Waiting } from "../controls/states.tsx";
import type { QueueEntry, QueueKind } from "../contract.ts";
import { plural } from "../format.ts";
import { LargeView } from "../large/large-view.tsx";
import { useResource } from "../resource.ts";
import { blind, className, go, linkTo, place, reviewer, reviewerName, run } from "../store.ts";

const KIND_TEXT: Record<QueueKind, [name: string, line: string]> = {
  near: ["Near the threshold", "Labels that nearly were, or nearly were not, class by class: a judgement here says most about the threshold."],
  unsupported: ["Unsupported", "Images whose regions do not back the given label: it is likely to be wrong."],
  random: ["Random", "Images drawn by chance. Precision and recall are estimated from these alone."],
  mixed: ["Mixed", "A third of each of the three above."],
  second: ["Second opinion", "Images that somebody else has finished, without showing what they said: for Cohen's κ."],
};

export function Queue() {
  const { queue, sample } = place.value;
  if (run.value!.read_only) return <div class="page"><h1>Queue</h1><p class="hint">This run is read only: nothing can be reviewed here.</p></div>;
  return queue && (sample !== null || reviewer.value.value) ? <Working kind={queue.kind} n={queue.n} /> : <Start />;
}

function Start() {
  const [kind, setKind] = useState<QueueKind>(place.value.queue?.kind ?? "mixed");
  const [n, setN] = useState(place.value.queue?.n ?? 50);
  const begin = async (event: SubmitEvent) => {
    event.preventDefault();
    if (await reviewerName()) go({ queue: { kind, n } });
  };
  return (
    <div class="page">
      <h1>Queue</h1>
      <p class="lead">Review a few images, those first that say most.</p>
      <form class="panel queue-start" onSubmit={(event) => void begin(event)}>
        <fieldset class="kinds">
          <legend>Which images?</legend>
          {QUEUE_KINDS.map((name) => (
            <label key={name} class="kind">
              <input type="radio" name="kind" value={name} checked={kind === name} onChange={() => setKind(name)} />
              <span><b>{KIND_TEXT[name][0]}</b><br />{KIND_TEXT[name][1]}</span>
            </label>
          ))}
        </fieldset>
        <div class="queue-options">
          <label>How many? <select value={n} onChange={(event) => setN(Number(event.currentTarget.value))}>
            {[...new Set([12, 20, 50, 100, 200, n])].sort((a, b) => a - b).map((size) => <option key={size} value={size}>{size}</option>)}
          </select></label>
          <label class="check"><input type="checkbox" checked={blind.value} disabled={run.value!.blind} onChange={(event) => go({ blind: event.currentTarget.checked }, "replace")} /> Blind: hide all scores, so that they cannot sway the judgement</label>
        </div>
        <button type="submit" class="primary">Begin</button>
        {reviewer.value.value && <p class="hint">You review as {reviewer.value.value}.</p>}
      </form>
    </div>
  );
}

const KEPT = "convert-view queue";

/** The queue that this tab goes through: after a reload, with its finished images, the one of before. */
function goneThrough(path: string, entries: QueueEntry[], sample: number | null): QueueEntry[] {
  const { identity } = run.value!;
  try {
    const known = JSON.parse(sessionStorage.getItem(KEPT) ?? "null") as { identity: string; path: string; entries: QueueEntry[] } | null;
    const goesOn = known?.identity === identity && known.path === path && known.entries.some((entry) => entry.sample === sample);
    if (goesOn) return known.entries;
    sessionStorage.setItem(KEPT, JSON.stringify({ identity, path, entries }));
  } catch {
    // A browser that keeps nothing begins the queue anew.
  }
  return entries;
}

function Working({ kind, n }: { kind: QueueKind; n: number }) {
  const who = reviewer.value.value;
  const [ended, setEnded] = useState(false);
  const path = `/api/queue?kind=${kind}&n=${n}&who=${encodeURIComponent(who)}`;
  const { data, error, loading, retry } = useResource<{ entries: QueueEntry[] }>(path);
  const { sample } = place.value;
  const entries = useMemo(() => (loading || !data ? null : goneThrough(path, data.entries, place.peek().sample)), [data, loading]);
  useEffect(() => {
    if (sample === null && !ended && entries?.[0]) go({ sample: entries[0].sample }, "replace");
  }, [sample, ended, entries]);
  const leave = () => {
    setEnded(false);
    go({ sample: null, queue: null });
  };

  if (error !== null) return <div class="page"><Failure line={error} retry={retry} /></div>;
  if (!entries) return <div class="page"><Waiting what="Asking for the queue" /></div>;
  if (ended || entries.length === 0) {
    return (
      <div class="page">
        <h1>{ended ? "The queue is done" : "Nothing is left in this queue"}</h1>
        <p class="lead">{ended ? `You have gone through ${plural(entries.length, "image")}.` : "You have finished all images of this kind."}</p>
        <p class="links">
          <button type="button" class="primary" onClick={() => { setEnded(false); retry(); }}>More of the same</button>
          <button type="button" onClick={leave}>Another queue</button>
          <a {...linkTo({ view: "summary" })}>Summary of the reviews</a>
        </p>
      </div>
    );
  }
  if (sample === null) return <div class="page"><Waiting what="Asking for the image" /></div>;
  const position = entries.findIndex((entry) => entry.sample === sample);
  const entry = entries[position];
  const head = (
    <div class="queue-bar">
      <span class="queue-kind">{KIND_TEXT[kind][0]}</span>
      <progress max={entries.length} value={position + 1} aria-label="Place in the queue" />
      <span>{position + 1}/{entries.length}</span>
      <span class="why">{blind.value || !entry ? (kind === "random" ? "" : entry?.class != null && kind !== "second" ? `look for ${className(entry.class)}` : "") : entry.why}</span>
      <label class="check"><input type="checkbox" checked={blind.value} disabled={run.value!.blind} onChange={(event) => go({ blind: event.currentTarget.checked }, "replace")} /> Blind</label>
    </div>
  );
  return (
    <LargeView sample={sample} head={head} focusClass={entry?.class ?? null} cameFrom={entry ? (entry.queue ?? kind) : null} sequence={{
      total: entries.length,
      position: position < 0 ? null : position,
      sampleAt: (at) => entries[at]?.sample,
      onMove: (next) => go({ sample: next }, "replace"),
      onClose: leave,
      onEnd: () => { setEnded(true); go({ sample: null }, "replace"); },
    }} />
  );
}
