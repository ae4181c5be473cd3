// The image beside its labels and regions, with the keys of reviewing.
import { useMemo, useState } from "preact/hooks";
import type { ClassProbability, Mask, QueueKind, Sample } from "../contract.ts";
import { useKeys } from "../keys.ts";
import { useMedia } from "../media.ts";
import { type Step, addOrAccept, labelsShown, ownState, stepOf } from "../review.ts";
import { act, receive, shownState, takeLastWord } from "../reviewing/journal.ts";
import { blind, className, masksShown, notify, numbers, opacity, outlines, place, reviewer, reviewerName, run } from "../store.ts";
import { Actions, AddLabel } from "./actions.tsx";
import { DrawingPanel, useDrawing } from "./annotate.tsx";
import { Labels, listedLabels } from "./labels.tsx";
import type { Picture } from "./picture.ts";
import { Regions } from "./regions.tsx";
import { evidenceFor, shapesOf } from "./shapes.ts";
import { Stage, type Tool } from "./stage.tsx";
import { About } from "./about.tsx";
import { MaskSettings, Tools, toolsOffered } from "./view-bar.tsx";

/** Not among the colours of regions. */
const OFFER_COLOUR = "#ff3ddb";

interface Props {
  sample: Sample;
  picture: Picture | null;
  focusClass: number | null;
  /** The queue that the image came from. */
  cameFrom: QueueKind | null;
  onNext: () => void;
  onMove: (sample: number) => void;
}

export function Bench({ sample, picture, focusClass, cameFrom, onNext, onMove }: Props) {
  const known = run.value!;
  const { queue } = place.value;
  const who = reviewer.value.value;
  const journal = useMemo(() => receive(sample, who), [sample.sample]);
  const second = queue?.kind === "second";
  const judging = !known.read_only;

  const whole = shownState(journal.value);
  const above = sample.labels.filter(([, p]) => p > known.threshold).map(([index, p]) => [index, p, "kept"] as [number, number, "kept"]);
  const { events, pending } = journal.value;
  const own = () => [...events.filter((event) => event.who === who).map((event) => stepOf(event, known.classes)), ...pending];
  const state = second ? ownState(above, own(), who, whole.undo) : whole;
  const pGiven = sample.labels.find(([index]) => index === sample.given)?.[1] ?? 0;
  const asked = focusClass === null ? [] : [[focusClass, sample.labels.find(([index]) => index === focusClass)?.[1] ?? 0] as ClassProbability];
  const labels = listedLabels(state.labels, sample.given, [[sample.given, pGiven], ...asked], blind.value);

  const [labelAt, setLabelAt] = useState(() => Math.max(0, labels.findIndex(([index]) => index === focusClass)));
  const focusedLabel = Math.min(labelAt, labels.length - 1);
  const drawn = (state.drawn ?? []).map(({ class: index, mask, event }) => ({ classIndex: index, mask, who: events.find(({ id }) => id === event)?.who ?? who }));
  const shapes = useMemo(() => shapesOf(sample, drawn, labels.map(([index]) => index)), [sample, drawn.length]);
  const evidence = new Map(labels.map(([index]) => [index, evidenceFor(shapes, index)]));
  const [regionAt, setRegionAt] = useState<number | null>(null);
  const [hovered, setHovered] = useState<number | null>(null);
  const focusedRegion = regionAt !== null && regionAt < shapes.length ? regionAt : null;

  const [tool, setTool] = useState<Tool>("look");
  const [adding, setAdding] = useState(false);
  const { drawing, ask, choose, drop } = useDrawing(sample.sample, OFFER_COLOUR);
  const offered = drawing?.state === "offered" ? (drawing.offers[drawing.chosen]?.shape ?? null) : null;
  const narrow = useMedia("(max-width: 900px)");

  const mode = masksShown.value.value;
  const all = shapes.map((_, index) => index);
  const shown = mode === "none" ? [] : mode === "all" ? all : all.filter((index) => [...evidence.values()].includes(index) || shapes[index]!.region === null);

  const focusLabel = (position: number) => {
    setLabelAt(position);
    setRegionAt(evidence.get(labels[position]?.[0] ?? -1) ?? null);
  };
  const send = async (step: Step, name: string) => {
    const reviewerIs = await reviewerName();
    return reviewerIs !== null && act(sample.sample, step, { who: reviewerIs, queue: cameFrom }, name);
  };
  const judge = (position: number, right: boolean) => {
    const label = labels[position];
    if (!label) return;
    const [index, , now] = label;
    const step: Step = now === "below" && right ? { action: "add", class: index } : { action: right ? "accept" : "reject", class: index };
    void send(step, `${right ? "accept" : "reject"} ${className(index)}`);
    focusLabel(position);
  };
  const add = (index: number, mask?: Mask) => {
    void send(addOrAccept(state, index, mask), `add ${className(index)}`);
    drop();
  };
  const mark = (region: number | null) => {
    const real = region === null ? null : shapes[region]!.region;
    if (real === null) return notify({ text: "Choose a mask first: click it, or go to one with [ and ]." });
    const bad = state.bad_masks.includes(real);
    void send({ action: bad ? "good-mask" : "bad-mask", region: real }, `mask ${real + 1} is ${bad ? "good" : "bad"}`);
  };
  const complete = async () => {
    const reviewerIs = await reviewerName();
    if (reviewerIs === null) return;
    void act(sample.sample, { action: "complete", labels: labelsShown(labels, blind.value) }, { who: reviewerIs, queue: cameFrom }, `complete ${sample.id}`);
    onNext();
  };
  const undo = () => {
    const word = takeLastWord();
    if (word === undefined) return void send({ action: "undo" }, "undo");
    if (word.sample !== sample.sample) onMove(word.sample);
    void act(word.sample, { action: "undo" }, { who: word.who, queue: cameFrom }, "undo", word);
  };

  useKeys(2, (event) => {
    if (event.key === "ArrowDown" && !event.shiftKey) return focusLabel((focusedLabel + 1) % labels.length), true;
    if (event.key === "ArrowUp" && !event.shiftKey) return focusLabel((focusedLabel + labels.length - 1) % labels.length), true;
    if (/^[1-9]$/.test(event.key) && labels.length >= Number(event.key)) return focusLabel(Number(event.key) - 1), true;
    if (event.key === "]" || event.key === "[") {
      const step = event.key === "]" ? 1 : -1;
      if (shapes.length > 0) setRegionAt(((focusedRegion ?? (step > 0 ? -1 : shapes.length)) + step + shapes.length) % shapes.length);
      return true;
    }
    if (event.key === "h") return masksShown.set(mode === "none" ? "labels" : mode === "labels" ? "all" : "none"), true;
    if (event.key === "Escape" && tool !== "look") return setTool("look"), true;
    if (event.key === "Escape" && focusedRegion !== null) return setRegionAt(null), true;
    const drawingTool = ({ b: "box", p: "polygon", x: "point" } as const)[event.key as "b"];
    if (drawingTool && toolsOffered().includes(drawingTool)) return setTool(tool === drawingTool ? "look" : drawingTool), true;
    if (!judging) return false;
    // One word a key stroke, however long the key is held.
    if (event.repeat && ["a", "r", "n", "m", "u", "c", " "].includes(event.key)) return true;
    if (event.key === "a") return judge(focusedLabel, true), true;
    if (event.key === "r") return judge(focusedLabel, false), true;
    if (event.key === "n") return setAdding(true), true;
    if (event.key === "m") return mark(focusedRegion), true;
    if (event.key === "u") return undo(), true;
    if (event.key === " " || event.key === "c") return void complete(), true;
    return false;
  });

  const size = sample.width > 0 ? { width: sample.width, height: sample.height } : { width: picture?.image?.naturalWidth || 1, height: picture?.image?.naturalHeight || 1 };
  const scene = {
    image: picture?.image ?? null, size, shapes, shown, focused: focusedRegion, hovered,
    bad: all.filter((index) => state.bad_masks.includes(shapes[index]!.region ?? -1)),
    opacity: Number(opacity.value.value), outlines: outlines.value.value === "on", numbers: numbers.value.value === "on", offered,
  };
  const actions = judging && (
    <Actions state={state} who={who} pending={pending.length > 0} onAccept={() => judge(focusedLabel, true)} onReject={() => judge(focusedLabel, false)}
      onAdd={() => setAdding(true)} onUndo={undo} onComplete={() => void complete()} focused={labels[focusedLabel] ? className(labels[focusedLabel][0]) : ""} />
  );
  return (
    <div class="bench">
      <div class="stage">
        <Stage scene={scene} tool={tool} label={`${sample.id}, with ${shown.length} masks`} holds={drawing !== null}
          onHover={setHovered} onSelect={setRegionAt} onDrawn={(what) => { ask(what); }} onDrop={drop} />
        {picture === null && <p class="stage-note" role="status">Loading the image …</p>}
        {picture?.problem && <p class="stage-note" role="alert">{picture.problem}</p>}
        <div class="stage-tools">
          <Tools tool={tool} onTool={(next) => { drop(); setTool(next); }} />
          <MaskSettings />
        </div>
      </div>
      <div class="side">
        {drawing && <DrawingPanel drawing={drawing} blind={blind.value} onChoose={choose} onAccept={add} onDrop={drop} />}
        <section aria-label="Labels">
          <h2>Labels</h2>
          <Labels labels={labels} given={sample.given} truth={sample.truth} blind={blind.value} judging={judging} focused={focusedLabel} onFocus={focusLabel} onJudge={judge}
            colourOf={(index) => { const at = evidence.get(index); return at == null ? null : shapes[at]!.colour; }} />
          {adding && <AddLabel onAdd={add} onClose={() => setAdding(false)} />}
          {!narrow && actions}
        </section>
        <section aria-label="Regions">
          <h2>Regions <small>{shapes.length}</small></h2>
          <Regions shapes={shapes} pixels={sample.width * sample.height} focused={focusedRegion} bad={scene.bad} blind={blind.value} selection={known.selection} judging={judging}
            onFocus={setRegionAt} onHover={setHovered} onMark={mark} />
        </section>
        <About sample={sample} state={state} events={second ? [] : events} blind={blind.value} />
      </div>
      {narrow && actions}
    </div>
  );
}
