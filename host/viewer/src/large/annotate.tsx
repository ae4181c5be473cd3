// A region drawn by hand: the server says what it may show, and the reviewer accepts a class or drops it.
import { useEffect, useRef, useState } from "preact/hooks";
import { isAbort, lineOf, postJson } from "../api.ts";
import { ClassPicker } from "../controls/class-picker.tsx";
import type { ClassProbability, Mask, Prediction, Proposal } from "../contract.ts";
import { probability } from "../format.ts";
import { useKeys } from "../keys.ts";
import { className } from "../store.ts";
import { type Shape, shapeOf } from "./shapes.ts";
import type { Drawn } from "./stage.tsx";

export interface Offer {
  mask: Mask;
  source: string;
  top: ClassProbability[];
  shape: Shape;
}

/** The state of one drawing: waiting, refused, or with what it may be. */
export type Drawing = { state: "waiting"; since: number } | { state: "failed"; line: string; retry: () => void } | { state: "offered"; offers: Offer[]; chosen: number; ms: number };

/** Asks the server about what was drawn; another drawing, another image or `drop` takes the question back. */
export function useDrawing(sample: number, accent: string) {
  const [drawing, setDrawing] = useState<Drawing | null>(null);
  const controller = useRef<AbortController | null>(null);
  const drop = () => {
    controller.current?.abort();
    controller.current = null;
    setDrawing(null);
  };
  useEffect(() => drop, [sample]);

  const ask = (drawn: Drawn) => {
    controller.current?.abort();
    const mine = new AbortController();
    controller.current = mine;
    setDrawing({ state: "waiting", since: Date.now() });
    question(sample, drawn, accent, mine.signal).then(
      ({ offers, ms }) => setDrawing(offers.length > 0 ? { state: "offered", offers, chosen: 0, ms } : { state: "failed", line: "nothing was found there", retry: () => ask(drawn) }),
      (error: unknown) => {
        if (!isAbort(error)) setDrawing({ state: "failed", line: lineOf(error), retry: () => ask(drawn) });
      },
    );
  };
  const choose = (chosen: number) => setDrawing((now) => (now?.state === "offered" ? { ...now, chosen: (chosen + now.offers.length) % now.offers.length } : now));
  return { drawing, ask, choose, drop };
}

async function question(sample: number, drawn: Drawn, colour: string, signal: AbortSignal): Promise<{ offers: Offer[]; ms: number }> {
  const offer = (mask: Mask, source: string, score: number | null, top: ClassProbability[]): Offer => ({
    mask, source, top, shape: shapeOf(mask, { region: null, source, score, selected: false, top, colour }),
  });
  if ("point" in drawn) {
    const [x, y] = drawn.point;
    const answer = await postJson<Proposal>("/api/propose", { sample, x, y }, signal);
    return { offers: answer.masks.map(({ mask, source, score, top }) => offer(mask, source, score, top)), ms: answer.ms };
  }
  const answer = await postJson<Prediction>("/api/predict", { sample, ...drawn }, signal);
  return { offers: [offer(answer.mask, "box" in drawn ? "your box" : "your polygon", null, answer.top)], ms: answer.ms };
}

interface Props {
  drawing: Drawing;
  blind: boolean;
  onChoose: (place: number) => void;
  onAccept: (classIndex: number, mask: Mask) => void;
  onDrop: () => void;
}

export function DrawingPanel({ drawing, blind, onChoose, onAccept, onDrop }: Props) {
  const [other, setOther] = useState(false);
  const panel = useRef<HTMLElement>(null);
  useEffect(() => panel.current?.scrollIntoView({ block: "nearest" }), [drawing]);
  const offer = drawing.state === "offered" ? drawing.offers[drawing.chosen] : undefined;
  const accept = (classIndex: number | undefined) => {
    if (offer && classIndex !== undefined) onAccept(classIndex, offer.mask);
  };
  // By name where scores are hidden, since the order would tell them.
  const top = offer ? (blind ? [...offer.top].sort((a, b) => className(a[0]).localeCompare(className(b[0]), "en")) : offer.top) : [];
  useKeys(4, (event) => {
    if (event.key === "Escape") return onDrop(), true;
    if (!offer || drawing.state !== "offered") return false;
    if (event.key === "Enter") return (event.repeat || accept(top[0]?.[0])), true;
    if (/^\d$/.test(event.key)) return (event.repeat || accept(top[(Number(event.key) + 9) % 10]?.[0])), true;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") return onChoose(drawing.chosen + (event.key === "ArrowDown" ? 1 : -1)), true;
    if (event.key === "n") return setOther(true), true;
    return false;
  });
  return (
    <section class="panel drawing" ref={panel} aria-label="New region" aria-busy={drawing.state === "waiting"}>
      <div class="panel-head">
        <h2>New region</h2>
        <button type="button" onClick={onDrop}><kbd>Esc</kbd> Drop it</button>
      </div>
      {drawing.state === "waiting" && <p class="running" role="status"><span class="spinner" aria-hidden="true" /> The network looks at it …</p>}
      {drawing.state === "failed" && <p class="failure-line" role="alert">{drawing.line} <button type="button" onClick={drawing.retry}>Try again</button></p>}
      {drawing.state === "offered" && offer && (
        <>
          {drawing.offers.length > 1 && (
            <fieldset class="offers">
              <legend>Which mask do you mean? (↑ ↓)</legend>
              {drawing.offers.map(({ source, shape }, place) => (
                <label key={place}>
                  <input type="radio" name="offer" checked={place === drawing.chosen} onChange={() => onChoose(place)} />
                  <span>{place + 1}. {source}{!blind && shape.score !== null && ` · ${probability(shape.score)}`}</span>
                </label>
              ))}
            </fieldset>
          )}
          <p class="hint" role="status">What does it show? Enter takes the first, a digit the one with that number.</p>
          <ol class="offer-classes">
            {top.map(([index, p], position) => (
              <li key={index}>
                <button type="button" onClick={() => accept(index)}>
                  <kbd aria-hidden="true">{(position + 1) % 10}</kbd>
                  <span class="name">{className(index)}</span>
                  {!blind && <span class="p">{probability(p)}</span>}
                </button>
              </li>
            ))}
          </ol>
          {other
            ? <ClassPicker label="Another class" value={null} focused onEscape={() => setOther(false)} onChange={(index) => index !== null && accept(index)} />
            : <button type="button" onClick={() => setOther(true)}><kbd>n</kbd> Another class</button>}
        </>
      )}
    </section>
  );
}
