// Masks made ready to be painted and pointed at.
import type { ClassProbability, Mask, Sample } from "../contract.ts";
import { colourAt } from "../format.ts";
import { type Box, type Span, areaOf, boxOf, covers, outlineOf, spansOf } from "../rle.ts";

/** A region of the run, one drawn by a reviewer, or a draft. */
export interface Shape {
  /** Its place among the sample's regions; null for what a reviewer drew. */
  region: number | null;
  source: string;
  score: number | null;
  selected: boolean;
  area: number;
  top: ClassProbability[];
  colour: string;
  spans: Span[];
  box: Box | null;
  outline: Path2D;
  fill: HTMLCanvasElement | null;
}

const FILL_SIZE = 1024;

export function shapeOf(mask: Mask, about: Omit<Shape, "spans" | "box" | "outline" | "fill" | "area">): Shape {
  // A mask that cannot be read is shown as an empty one; everything else about the region still stands.
  let spans: Span[] = [];
  try {
    spans = spansOf(mask);
  } catch (error) {
    console.warn("a mask cannot be read:", error);
  }
  const outline = new Path2D();
  const segments = outlineOf(spans);
  for (let k = 0; k < segments.length; k += 4) {
    outline.moveTo(segments[k]!, segments[k + 1]!);
    outline.lineTo(segments[k + 2]!, segments[k + 3]!);
  }
  const box = boxOf(spans);
  return { ...about, spans, box, outline, area: areaOf(spans), fill: box && filled(spans, box, about.colour) };
}

/** The foreground within its box, in its colour; larger ones at a lower resolution, since their outline is exact. */
function filled(spans: Span[], box: Box, colour: string): HTMLCanvasElement {
  const width = box.right - box.left;
  const height = box.bottom - box.top;
  const scale = Math.min(1, FILL_SIZE / Math.max(width, height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const context = canvas.getContext("2d")!;
  context.fillStyle = colour;
  for (const { column, top, bottom } of spans) {
    const x = Math.floor((column - box.left) * scale);
    const y = Math.round((top - box.top) * scale);
    context.fillRect(x, y, 1, Math.max(1, Math.round((bottom - box.top) * scale) - y));
  }
  return canvas;
}

export interface Drawn {
  classIndex: number;
  mask: Mask;
  who: string;
}

/** The sample's regions and what reviewers drew, with one colour a class: labels first, so that neighbours differ. */
export function shapesOf(sample: Sample, drawn: Drawn[], labels: number[]): Shape[] {
  const order = [...new Set([...labels, ...sample.regions.map((region) => region.top[0]?.[0] ?? -1)])];
  const colourOf = (index: number | undefined) => colourAt(Math.max(0, order.indexOf(index ?? -1)));
  const regions = sample.regions.map((region, place) =>
    shapeOf(region.mask, {
      region: place, source: region.source, score: region.score, selected: region.selected, top: region.top, colour: colourOf(region.top[0]?.[0]),
    }),
  );
  const added = drawn.map(({ mask, classIndex, who }) =>
    shapeOf(mask, { region: null, source: `drawn by ${who}`, score: null, selected: false, top: [[classIndex, 1]], colour: colourOf(classIndex) }),
  );
  return [...regions, ...added];
}

/** The smallest of the shapes that covers the point. */
export function shapeAt(shapes: Shape[], among: number[], x: number, y: number): number | null {
  const hits = among.filter((place) => covers(shapes[place]!.spans, Math.floor(x), Math.floor(y)));
  return hits.length === 0 ? null : hits.reduce((best, place) => (shapes[place]!.area < shapes[best]!.area ? place : best));
}

/** The region that speaks loudest for a class: a reviewer's own, or the one with the highest probability of it. */
export function evidenceFor(shapes: Shape[], classIndex: number): number | null {
  let best: { place: number; p: number } | null = null;
  shapes.forEach(({ top }, place) => {
    const p = top.find(([index]) => index === classIndex)?.[1];
    if (p !== undefined && (best === null || p >= best.p)) best = { place, p };
  });
  return (best as { place: number } | null)?.place ?? null;
}
