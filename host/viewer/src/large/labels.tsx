// The labels of the image, what was made of each, and the two judgements of it.
import { useEffect, useRef } from "preact/hooks";
import type { ClassProbability, JudgedLabel, LabelState } from "../contract.ts";
import { probability } from "../format.ts";
import { Truth } from "../gallery/tile.tsx";
import { className } from "../store.ts";

/** A label as the large view lists it; `below` is one that is not above the threshold: the given one, and the one that a queue asks about. */
export type ListedLabel = [classIndex: number, probability: number, state: LabelState | "below"];

const STATE_TEXT: Record<LabelState | "below", string> = {
  kept: "", accepted: "accepted", rejected: "rejected", added: "added by hand", below: "below the threshold",
};

/** Labels in reading order: best first; by name where scores are hidden, since the order would tell them. */
export function listedLabels(labels: JudgedLabel[], given: number, wanted: ClassProbability[], blind: boolean): ListedLabel[] {
  const listed: ListedLabel[] = [...labels];
  for (const [index, p] of wanted) if (!listed.some(([known]) => known === index)) listed.push([index, p, "below"]);
  const byName = new Intl.Collator("en", { numeric: true }).compare;
  return blind ? listed.sort((a, b) => byName(className(a[0]), className(b[0]))) : listed.sort((a, b) => Number(b[0] === given) - Number(a[0] === given) || b[1] - a[1]);
}

interface Props {
  labels: ListedLabel[];
  given: number;
  truth: number[] | null;
  colourOf: (classIndex: number) => string | null;
  focused: number;
  blind: boolean;
  judging: boolean;
  onFocus: (position: number) => void;
  onJudge: (position: number, right: boolean) => void;
}

export function Labels({ labels, given, truth, colourOf, focused, blind, judging, onFocus, onJudge }: Props) {
  const list = useRef<HTMLOListElement>(null);
  useEffect(() => {
    list.current?.children[focused]?.scrollIntoView({ block: "nearest" });
  }, [focused]);
  const missing = truth && !blind ? truth.filter((index) => !labels.some(([known]) => known === index)) : [];
  return (
    <>
      <ol class="labels" ref={list}>
        {labels.map(([index, p, state], position) => {
          const name = className(index);
          const colour = colourOf(index);
          return (
            <li key={index} class={`label ${blind && state === "below" ? "kept" : state}${position === focused ? " focused" : ""}`}>
              <button type="button" class="label-name" aria-current={position === focused ? "true" : undefined} onClick={() => onFocus(position)}>
                <kbd aria-hidden="true">{position < 9 ? position + 1 : ""}</kbd>
                <i class={colour ? "swatch" : "swatch none"} style={colour ? { background: colour } : {}} title={colour ? undefined : "no region of this class"} />
                <span class="name">{name}</span>
                {index === given && <span class="tag">given</span>}
                {!blind && (p > 0 || state !== "added") && <span class="p">{probability(p)}</span>}
                {truth && !blind && <Truth right={truth.includes(index)} />}
                {STATE_TEXT[state] && !(blind && state === "below") && <span class="state">{STATE_TEXT[state]}</span>}
              </button>
              {judging && (
                <span class="judge">
                  <button type="button" class="icon accept" aria-pressed={state === "accepted" || state === "added"} aria-label={`Accept ${name}`} title="Accept (a)" onClick={() => onJudge(position, true)}>✓</button>
                  <button type="button" class="icon reject" aria-pressed={state === "rejected"} aria-label={`Reject ${name}`} title="Reject (r)" onClick={() => onJudge(position, false)}>✕</button>
                </span>
              )}
            </li>
          );
        })}
      </ol>
      {missing.length > 0 && <p class="missed">True, but not labelled: {missing.map(className).join(", ")}</p>}
    </>
  );
}
