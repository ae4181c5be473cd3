// What the server says and hears: host/src/view answers in these shapes.

/** COCO's compressed run lengths, column by column, beginning with the background. */
export interface Mask {
  size: [height: number, width: number];
  counts: string;
}

/** A Wilson interval, 95 %. */
export interface Interval {
  value: number;
  low: number;
  high: number;
  right: number;
  of: number;
}

export type ClassProbability = [classIndex: number, probability: number];

export interface Run {
  version: number;
  /** Another run has another. */
  identity: string;
  name: string;
  convert: string;
  read_only: boolean;
  blind: boolean;
  samples: number;
  classes: string[];
  threshold: number;
  sources: string[];
  truth: boolean;
  selection: boolean;
  predict: boolean;
  propose: boolean;
  index: { ready: boolean; shards: number; done: number; error?: string | null };
  reviewer?: string;
}

export interface Row {
  sample: number;
  id: string;
  given: number;
  width: number;
  height: number;
  labels: ClassProbability[];
  support: number | null;
  regions: number;
  skipped: string[];
  truth: number[] | null;
  reviewed: string[];
}

export interface Region {
  mask: Mask;
  source: string;
  score: number;
  selected: boolean;
  area: number;
  top: ClassProbability[];
}

export type LabelState = "kept" | "accepted" | "rejected" | "added";
export type JudgedLabel = [classIndex: number, probability: number, state: LabelState];

export interface ReviewState {
  labels: JudgedLabel[];
  bad_masks: number[];
  /** Regions that reviewers drew, with the event that says so. */
  drawn: DrawnRegion[];
  complete_by: string[];
  undo: string | null;
}

export interface DrawnRegion {
  class: number;
  mask: Mask;
  event: string;
}

export type Action = "accept" | "reject" | "add" | "bad-mask" | "good-mask" | "complete" | "undo";

export interface ReviewEvent {
  id: string;
  who: string;
  action: Action;
  /** By name, as `reviews.jsonl` keeps it. */
  class?: string | null;
  region?: number | null;
  mask?: Mask | null;
}

export interface Sample extends Omit<Row, "regions"> {
  regions: Region[];
  reviews: ReviewEvent[];
  state: ReviewState;
}

export interface ReviewPost {
  sample: number;
  who: string;
  action: Action;
  class?: number;
  region?: number;
  mask?: Mask;
  labels?: number[];
  of?: string;
  queue?: QueueKind;
  blind?: boolean;
}

export type QueueKind = "near" | "unsupported" | "random" | "mixed" | "second";

export interface QueueEntry {
  sample: number;
  why: string;
  class: number | null;
  /** What a review of it says of how it came up: in the mixed queue each has its own. */
  queue?: QueueKind;
}

export interface Thresholds {
  images: number;
  counts: number[];
  given: number[];
  multiple: number[];
  none: number[];
}

export interface ClassFigures {
  class: number;
  given: number;
  predicted: number;
  added: number;
  unsupported: number;
  accepted: number;
  rejected: number;
  missed: number;
}

export interface ClassDetails extends ClassFigures {
  precision: Interval | null;
  with: [classIndex: number, images: number][];
  for: [classIndex: number, images: number][];
  examples: number[];
  doubtful: number[];
}

export interface Pair {
  a: number;
  b: number;
  images: number;
  a_images: number;
  b_images: number;
  share_a: number;
  share_b: number;
}

export interface Summary {
  images: number;
  events: number;
  reviewers: string[];
  precision: Interval | null;
  recall: Interval | null;
  /** The same over labels besides the given one. */
  added?: { precision: Interval | null; recall: Interval | null };
  random_images: number;
  kappa: { value: number; images: number; labels: number } | null;
  by_class: { class: number; precision: Interval | null }[];
}

export interface Prediction {
  mask: Mask;
  top: ClassProbability[];
  ms: number;
}

export interface Proposal {
  masks: { mask: Mask; source: string; score: number; top: ClassProbability[] }[];
  ms: number;
}
