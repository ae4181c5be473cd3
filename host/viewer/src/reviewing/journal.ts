// Review actions on their way: shown at once, sent one after the other, taken back when the server refuses them.
import { type Signal, signal } from "@preact/signals";
import { lineOf, postJson } from "../api.ts";
import type { QueueKind, ReviewEvent, ReviewPost, ReviewState, Sample } from "../contract.ts";
import { putRow, rowOf } from "../gallery/rows.ts";
import { askedAt, forgetAhead } from "../large/sample.ts";
import { type Step, applied } from "../review.ts";
import { announce, blind, className, notify } from "../store.ts";

interface Journal {
  /** What the server last said of the image. */
  confirmed: ReviewState;
  events: ReviewEvent[];
  /** What it has not answered yet. */
  pending: Step[];
  who: string;
}

const journals = new Map<number, Signal<Journal>>();
const sending = new Map<number, Promise<unknown>>();
/** Something that was said here, whether or not it is saved yet. */
interface Word {
  sample: number;
  who: string;
  id: string | null;
}
const said: Word[] = [];

/** The last thing that was said here and is not taken back. */
export const takeLastWord = (): Word | undefined => said.pop();

/** When a step of an image was last answered: what was asked before is older. */
const answered = new Map<number, number>();

/** Takes what the server says of an image, unless something is on its way to it or was said since. */
export function receive(sample: Sample, who: string): Signal<Journal> {
  const fresh: Journal = { confirmed: sample.state, events: sample.reviews, pending: [], who };
  const known = journals.get(sample.sample);
  if (known) {
    if (known.peek().pending.length === 0 && askedAt(sample) >= (answered.get(sample.sample) ?? 0)) known.value = fresh;
    return known;
  }
  const journal = signal(fresh);
  journals.set(sample.sample, journal);
  return journal;
}

export const shownState = ({ confirmed, pending, who }: Journal): ReviewState => pending.reduce((state, step) => applied(state, step, who), confirmed);

/** Who judges an image, and how it came up. */
export interface Judge {
  who: string;
  queue: QueueKind | null;
}

/** Sends one step; resolves to whether the server took it. `name` says in a notice what was not saved, `taken` what an undo takes back: without it the last word of earlier visits. */
export async function act(sample: number, step: Step, judge: Judge, name: string, taken?: Word): Promise<boolean> {
  const journal = journals.get(sample);
  if (!journal) return false;
  const { who, queue } = judge;
  const entry = { ...step };
  const word: Word = { sample, who, id: null };
  if (step.action !== "undo") said.push(word);
  journal.value = { ...journal.value, who, pending: [...journal.value.pending, entry] };
  forgetAhead(sample);
  announce(name);
  const before = sending.get(sample) ?? Promise.resolve();
  const mine = before.then(async () => {
    const of = step.action === "undo" ? (taken ? taken.id : journal.value.confirmed.undo) : null;
    if (step.action === "undo" && of === null) throw new Error("nothing of yours is left to undo on this image");
    const body: ReviewPost = { sample, who, ...step, ...(of !== null && { of }), ...(queue && { queue }), blind: blind.peek() };
    return { of, answer: await postJson<{ id: string; state: ReviewState }>("/api/reviews", body) };
  });
  sending.set(sample, mine.catch(() => undefined));
  try {
    const { of, answer } = await mine;
    const event: ReviewEvent = { id: answer.id, who, action: step.action, class: step.class === undefined ? null : className(step.class), region: step.region ?? null, mask: step.mask ?? null };
    const events = of === null ? [...journal.value.events, event] : journal.value.events.filter(({ id }) => id !== of);
    journal.value = { ...journal.value, confirmed: answer.state, events, pending: journal.value.pending.filter((other) => other !== entry) };
    const row = rowOf(sample);
    if (row) putRow({ ...row, reviewed: answer.state.complete_by });
    word.id = answer.id;
    answered.set(sample, performance.now());
    forgetAhead(sample);
    return true;
  } catch (error) {
    if (taken?.id) said.push(taken);
    else if (said.includes(word)) said.splice(said.indexOf(word), 1);
    journal.value = { ...journal.value, pending: journal.value.pending.filter((other) => other !== entry) };
    notify({ text: `Not saved (${name}): ${lineOf(error)}`, ...(step.action !== "undo" && { retry: () => void act(sample, step, judge, name) }) });
    return false;
  }
}
