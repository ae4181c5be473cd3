// The canvas: zoom, pan, pointing at regions, and drawing new ones.
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { useKeys } from "../keys.ts";
import { type Frame, fitted, panned, toImage, zoomed } from "./frame.ts";
import { type Scene, paint } from "./paint.ts";
import { shapeAt } from "./shapes.ts";

export type Tool = "look" | "box" | "polygon" | "point";

/** What was drawn, in the image's pixels. */
export type Drawn = { box: [x: number, y: number, width: number, height: number] } | { polygon: [number, number][] } | { point: [number, number] };

interface Props {
  scene: Omit<Scene, "draft">;
  tool: Tool;
  label: string;
  onHover: (shape: number | null) => void;
  onSelect: (shape: number | null) => void;
  onDrawn: (drawn: Drawn) => void;
  /** What was drawn before is not meant any more. */
  onDrop: () => void;
  /** Whether the drawn outline stays in sight while its answer is waited for. */
  holds: boolean;
}

export function Stage({ scene, tool, label, onHover, onSelect, onDrawn, onDrop, holds }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const frame = useRef<Frame>({ scale: 1, x: 0, y: 0 });
  const touched = useRef(false);
  const [draft, setDraft] = useState<Scene["draft"]>({});
  const pointers = useRef(new Map<number, { x: number; y: number; startX: number; startY: number; moved: boolean }>());
  const { width, height } = scene.size;
  const sight = () => ({ width: canvas.current!.clientWidth, height: canvas.current!.clientHeight });

  const latest = useRef({ scene, draft });
  latest.current = { scene, draft };
  const scheduled = useRef(0);
  const repaint = () => {
    if (scheduled.current) return;
    scheduled.current = requestAnimationFrame(() => {
      scheduled.current = 0;
      const element = canvas.current;
      if (!element) return;
      const now = latest.current;
      paint(element, { ...now.scene, draft: now.draft }, frame.current, getComputedStyle(element).getPropertyValue("--accent").trim() || "#3b5bdb");
    });
  };
  useLayoutEffect(repaint);
  useEffect(() => () => cancelAnimationFrame(scheduled.current), []);

  const put = (next: Frame, byHand = true) => {
    frame.current = next;
    touched.current = byHand;
    repaint();
  };
  const fit = () => put(fitted({ width, height }, sight()), false);

  useLayoutEffect(() => {
    const element = canvas.current!;
    const measure = new ResizeObserver(() => {
      const ratio = window.devicePixelRatio || 1;
      element.width = Math.round(element.clientWidth * ratio);
      element.height = Math.round(element.clientHeight * ratio);
      if (touched.current) repaint();
      else fit();
    });
    measure.observe(element);
    fit();
    return () => measure.disconnect();
  }, [width, height]);

  /** The first corner of a polygon that takes another's place. */
  const corner = useRef<[number, number] | null>(null);
  useEffect(() => {
    if (!holds) setDraft(corner.current ? { polygon: [corner.current] } : {});
    corner.current = null;
  }, [tool, holds]);

  // Preact's wheel listeners are passive; this one must keep the page from zooming.
  useEffect(() => {
    const element = canvas.current!;
    const onWheel = (event: WheelEvent) => {
      event.preventDefault();
      const [x, y] = placeOf(event);
      const lines = event.deltaMode === 1 ? 16 : 1;
      put(zoomed(frame.current, Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0018)), x, y));
    };
    element.addEventListener("wheel", onWheel, { passive: false });
    return () => element.removeEventListener("wheel", onWheel);
  }, []);

  const placeOf = (event: MouseEvent): [number, number] => {
    const { left, top } = canvas.current!.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  };
  const inImage = (x: number, y: number): [number, number] => {
    const [a, b] = toImage(frame.current, x, y);
    return [Math.min(Math.max(a, 0), width), Math.min(Math.max(b, 0), height)];
  };
  const pointed = (x: number, y: number) => shapeAt(scene.shapes, scene.shown, ...toImage(frame.current, x, y));

  const closePolygon = (points: [number, number][]) => {
    if (points.length < 3) return setDraft({});
    setDraft({ polygon: [...points, points[0]!] });
    onDrawn({ polygon: points });
  };

  const onPointerDown = (event: PointerEvent) => {
    if (event.button > 1) return;
    canvas.current!.setPointerCapture(event.pointerId);
    const [x, y] = placeOf(event);
    pointers.current.set(event.pointerId, { x, y, startX: x, startY: y, moved: false });
    if (pointers.current.size > 1 && tool !== "polygon") setDraft({});
  };
  const onPointerMove = (event: PointerEvent) => {
    const [x, y] = placeOf(event);
    const pointer = pointers.current.get(event.pointerId);
    if (!pointer) {
      if (tool === "look" && event.pointerType === "mouse") onHover(pointed(x, y));
      return;
    }
    const others = [...pointers.current.entries()].filter(([id]) => id !== event.pointerId).map(([, other]) => other);
    if (Math.hypot(x - pointer.startX, y - pointer.startY) > 4) pointer.moved = true;
    const other = others[0];
    if (other) {
      const before = Math.hypot(pointer.x - other.x, pointer.y - other.y);
      const after = Math.hypot(x - other.x, y - other.y);
      const turned = panned(frame.current, (x - pointer.x) / 2, (y - pointer.y) / 2, scene.size, sight());
      put(zoomed(turned, before > 0 ? after / before : 1, (x + other.x) / 2, (y + other.y) / 2));
      pointer.moved = other.moved = true;
    } else if (tool === "box" && event.buttons !== 4) {
      if (pointer.moved) setDraft({ box: boxBetween(inImage(pointer.startX, pointer.startY), inImage(x, y)) });
    } else if (pointer.moved) {
      put(panned(frame.current, x - pointer.x, y - pointer.y, scene.size, sight()));
    }
    pointer.x = x;
    pointer.y = y;
  };
  const onPointerUp = (event: PointerEvent) => {
    const pointer = pointers.current.get(event.pointerId);
    const wasAlone = pointers.current.size === 1;
    pointers.current.delete(event.pointerId);
    if (!pointer || !wasAlone) return;
    const [x, y] = placeOf(event);
    const point = inImage(x, y);
    if (tool === "box") {
      const box = latest.current.draft.box;
      if (!pointer.moved || !box || event.button === 1) return;
      if (box[2] < 2 || box[3] < 2) return setDraft({});
      onDrawn({ box });
    } else if (pointer.moved || event.button === 1) {
      return;
    } else if (tool === "point") {
      const [a, b] = toImage(frame.current, x, y);
      if (a < 0 || b < 0 || a >= width || b >= height) return;
      setDraft({ point });
      onDrawn({ point });
    } else if (tool === "polygon" && holds) {
      corner.current = point;
      onDrop();
    } else if (tool === "polygon") {
      const points = latest.current.draft.polygon ?? [];
      const first = points[0];
      const closes = first && points.length > 2 && Math.hypot(first[0] - point[0], first[1] - point[1]) * frame.current.scale < 12;
      if (closes) closePolygon(points);
      else setDraft({ polygon: [...points, point] });
    } else {
      onSelect(pointed(x, y));
    }
  };

  useKeys(3, (event) => {
    const { width: w, height: h } = sight();
    if (event.key === "+" || event.key === "=") return put(zoomed(frame.current, 1.3, w / 2, h / 2)), true;
    if (event.key === "-" || event.key === "_") return put(zoomed(frame.current, 1 / 1.3, w / 2, h / 2)), true;
    if (event.key === "0" && !scene.offered) return fit(), true;
    const shift = event.shiftKey ? ({ ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] } as const)[event.key as "ArrowUp"] : undefined;
    if (shift) return put(panned(frame.current, shift[0], shift[1], scene.size, sight())), true;
    const points = tool === "polygon" && !holds ? draft.polygon : undefined;
    if (points && event.key === "Enter") return closePolygon(points), true;
    if (points && event.key === "Backspace") return setDraft({ polygon: points.slice(0, -1) }), true;
    if (points && points.length > 0 && event.key === "Escape") return setDraft({}), true;
    return false;
  });

  return (
    <canvas ref={canvas} class={`stage-canvas ${tool}`} role="img" aria-label={label}
      onPointerDown={onPointerDown} onPointerMove={onPointerMove} onPointerUp={onPointerUp}
      onPointerCancel={(event) => { pointers.current.delete(event.pointerId); setDraft({}); }}
      onPointerLeave={() => onHover(null)}
      onDblClick={() => { if (tool === "polygon" && draft.polygon && !holds) closePolygon(withoutTwins(draft.polygon)); }} />
  );
}

function boxBetween([ax, ay]: [number, number], [bx, by]: [number, number]): [number, number, number, number] {
  return [Math.min(ax, bx), Math.min(ay, by), Math.abs(bx - ax), Math.abs(by - ay)];
}

/** A double click has put its corner twice. */
function withoutTwins(points: [number, number][]): [number, number][] {
  return points.filter(([x, y], place) => place === 0 || Math.hypot(x - points[place - 1]![0], y - points[place - 1]![1]) > 1);
}
