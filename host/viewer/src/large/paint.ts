// Paints the image with its masks.
import type { Frame, Size } from "./frame.ts";
import type { Shape } from "./shapes.ts";

export interface Scene {
  image: CanvasImageSource | null;
  size: Size;
  shapes: Shape[];
  /** Places of the shapes to paint. */
  shown: number[];
  focused: number | null;
  hovered: number | null;
  bad: number[];
  opacity: number;
  outlines: boolean;
  numbers: boolean;
  /** What is being drawn, in the image's pixels. */
  draft: { box?: [x: number, y: number, width: number, height: number]; polygon?: [number, number][]; point?: [number, number] };
  offered: Shape | null;
}

export function paint(canvas: HTMLCanvasElement, scene: Scene, frame: Frame, accent: string): void {
  const context = canvas.getContext("2d")!;
  const ratio = window.devicePixelRatio || 1;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  context.translate(frame.x, frame.y);
  context.scale(frame.scale, frame.scale);
  context.imageSmoothingEnabled = frame.scale < 4;
  if (scene.image) context.drawImage(scene.image, 0, 0, scene.size.width, scene.size.height);

  const lit = scene.hovered ?? scene.focused;
  // Large masks below small ones, so that every one stays visible; the one in focus above all.
  const order = [...new Set([...scene.shown, ...(lit === null ? [] : [lit])])].sort(
    (a, b) => Number(a === lit) - Number(b === lit) || scene.shapes[b]!.area - scene.shapes[a]!.area,
  );
  for (const place of order) {
    const emphasis = lit === null ? 1 : place === lit ? 1.5 : 0.45;
    paintShape(context, scene.shapes[place]!, frame, scene.opacity * emphasis, scene.outlines || place === lit, scene.bad.includes(place), place === lit);
  }
  if (scene.offered) paintShape(context, scene.offered, frame, Math.max(0.4, scene.opacity), true, false, true);
  paintDraft(context, scene.draft, frame, accent);
  if (scene.numbers) for (const place of order) paintNumber(context, scene.shapes[place]!, String(place + 1), frame, place === lit);
}

function paintShape(context: CanvasRenderingContext2D, shape: Shape, frame: Frame, opacity: number, outline: boolean, bad: boolean, lit: boolean): void {
  if (!shape.box || !shape.fill) return;
  const { left, top, right, bottom } = shape.box;
  context.globalAlpha = Math.min(bad ? opacity * 0.3 : opacity, 0.9);
  context.drawImage(shape.fill, left, top, right - left, bottom - top);
  context.globalAlpha = 1;
  if (!outline) return;
  context.lineCap = "square";
  context.setLineDash(bad ? [6 / frame.scale, 5 / frame.scale] : []);
  if (lit) {
    context.strokeStyle = "rgb(255 255 255 / 85%)";
    context.lineWidth = 4.5 / frame.scale;
    context.stroke(shape.outline);
  }
  context.strokeStyle = shape.colour;
  context.lineWidth = 2 / frame.scale;
  context.stroke(shape.outline);
  context.setLineDash([]);
}

/** The number of a region on a dark ground, whatever the image is. */
function paintNumber(context: CanvasRenderingContext2D, shape: Shape, text: string, frame: Frame, lit: boolean): void {
  if (shape.spans.length === 0) return;
  // The longest run is surely inside, which the middle of the box is not.
  const middle = shape.spans.reduce((best, span) => (span.bottom - span.top > best.bottom - best.top ? span : best));
  const x = middle.column + 0.5;
  const y = (middle.top + middle.bottom) / 2;
  const unit = 1 / frame.scale;
  context.font = `600 ${12 * unit}px system-ui, sans-serif`;
  context.textAlign = "center";
  context.textBaseline = "middle";
  const width = context.measureText(text).width + 10 * unit;
  context.fillStyle = lit ? "rgb(10 12 16)" : "rgb(10 12 16 / 78%)";
  context.beginPath();
  context.roundRect(x - width / 2, y - 9 * unit, width, 18 * unit, 5 * unit);
  context.fill();
  context.fillStyle = "#ffffff";
  context.fillText(text, x, y + 0.5 * unit);
}

function paintDraft(context: CanvasRenderingContext2D, { box, polygon, point }: Scene["draft"], frame: Frame, accent: string): void {
  const unit = 1 / frame.scale;
  const path = new Path2D();
  if (box) path.rect(...box);
  if (polygon) polygon.forEach(([x, y], place) => (place === 0 ? path.moveTo(x, y) : path.lineTo(x, y)));
  for (const [colour, width] of [["rgb(255 255 255 / 90%)", 4], [accent, 2]] as const) {
    context.strokeStyle = colour;
    context.lineWidth = width * unit;
    context.stroke(path);
  }
  for (const [x, y] of [...(polygon ?? []), ...(point ? [point] : [])]) {
    context.beginPath();
    context.arc(x, y, 5 * unit, 0, 2 * Math.PI);
    context.fillStyle = accent;
    context.fill();
    context.strokeStyle = "#ffffff";
    context.lineWidth = 1.5 * unit;
    context.stroke();
  }
}
