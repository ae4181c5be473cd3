// What a review action makes of an image before the server has answered.
import type { Action, JudgedLabel, LabelState, Mask, ReviewEvent, ReviewState } from "./contract.ts";

export interface Step {
  action: Action;
  class?: number;
  region?: number;
  mask?: Mask;
  /** The classes that a complete image shows. */
  labels?: number[];
}

const judged: Partial<Record<Action, LabelState>> = { accept: "accepted", reject: "rejected", add: "added" };

export function applied(state: ReviewState, step: Step, who: string): ReviewState {
  switch (step.action) {
    case "accept":
    case "reject":
    case "add": {
      if (step.class === undefined) return state;
      const drawn = step.mask ? [...state.drawn, { class: step.class, mask: step.mask, event: "" }] : state.drawn;
      return { ...state, drawn, labels: withLabel(state.labels, step.class, judged[step.action]!) };
    }
    case "bad-mask":
    case "good-mask": {
      const others = state.bad_masks.filter((region) => region !== step.region);
      if (step.region === undefined) return state;
      return { ...state, bad_masks: step.action === "bad-mask" ? [...others, step.region] : others };
    }
    case "complete":
      return { ...state, complete_by: [...new Set([...state.complete_by, who])] };
    case "undo":
      return state;
  }
}

function withLabel(labels: JudgedLabel[], classIndex: number, state: LabelState): JudgedLabel[] {
  if (!labels.some(([index]) => index === classIndex)) return [...labels, [classIndex, 0, state]];
  return labels.map((label) => (label[0] === classIndex ? [label[0], label[1], state] : label));
}

/** The image as one reviewer's own steps leave it: a second opinion must not see the first. */
export function ownState(labels: JudgedLabel[], steps: Step[], who: string, undo: string | null): ReviewState {
  const first: ReviewState = { labels, bad_masks: [], drawn: [], complete_by: [], undo };
  return steps.reduce((state, step) => applied(state, step, who), first);
}

export function stepOf(event: ReviewEvent, classes: string[]): Step {
  const index = event.class == null ? -1 : classes.indexOf(event.class);
  return {
    action: event.action,
    ...(index >= 0 && { class: index }),
    ...(event.region != null && { region: event.region }),
    ...(event.mask && { mask: event.mask }),
  };
}

/** What completing an image says of it: the classes that its reviewer sees as labels. Who reviews blind cannot tell those below the threshold from the others. */
export const labelsShown = (listed: readonly (readonly [number, number, LabelState | "below"])[], blind: boolean): number[] =>
  listed.filter(([, , label]) => label !== "rejected" && (blind || label !== "below")).map(([index]) => index);

/** Adding what is already there means that it is right. */
export function addOrAccept(state: ReviewState, classIndex: number, mask?: Mask): Step {
  if (mask) return { action: "add", class: classIndex, mask };
  const known = state.labels.some(([index, , label]) => index === classIndex && label !== "rejected");
  return { action: known ? "accept" : "add", class: classIndex };
}
