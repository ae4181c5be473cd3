// Where a very long list is scrolled to. Browsers clamp an element's height at about 33.5 million pixels, so the scroller is at most
// `LIMIT` high and stands for the list in proportion: small steps move both alike, a dragged bar moves the list by its share.

export const LIMIT = 8_000_000;

export interface Extent {
  /** Height of the whole list in pixels, however large. */
  length: number;
  /** Height of what is in sight. */
  viewport: number;
}

export interface Scroll {
  /** First pixel of the list in sight. */
  position: number;
  /** The scroller's scrollTop that goes with it. */
  top: number;
}

export const scrollerHeight = ({ length }: Extent): number => Math.min(length, LIMIT);

const furthest = ({ length, viewport }: Extent): number => Math.max(0, length - viewport);
const furthestTop = (extent: Extent): number => Math.max(0, scrollerHeight(extent) - extent.viewport);
const within = (value: number, most: number): number => Math.min(Math.max(value, 0), most);

/** Near both ends the scroller and the list move alike, so that the first and the last row can be reached by small steps. */
const edge = (extent: Extent): number => Math.min(20 * extent.viewport, furthestTop(extent) / 4);

/** The place of the scroller that stands for `position`. */
export function scrollTo(extent: Extent, position: number): Scroll {
  const [most, mostTop, near] = [furthest(extent), furthestTop(extent), edge(extent)];
  const reached = within(position, most);
  if (extent.length <= LIMIT || reached <= near) return { position: reached, top: reached };
  if (most - reached <= near) return { position: reached, top: mostTop - (most - reached) };
  const share = (reached - near) / (most - 2 * near);
  return { position: reached, top: Math.round(near + share * (mostTop - 2 * near)) };
}

/** The place in the list that `top` stands for. */
function proportional(extent: Extent, top: number): number {
  const [most, mostTop, near] = [furthest(extent), furthestTop(extent), edge(extent)];
  if (top <= near) return top;
  if (mostTop - top <= near) return most - (mostTop - top);
  return near + ((top - near) / (mostTop - 2 * near)) * (most - 2 * near);
}

/** What the browser's new scrollTop means: a wheel's or key's step, or a dragged bar. */
export function scrolled(extent: Extent, from: Scroll, top: number): Scroll {
  if (extent.length <= LIMIT) return { position: top, top };
  const step = top - from.top;
  const isStep = Math.abs(step) <= 2 * extent.viewport;
  return { position: isStep ? within(from.position + step, furthest(extent)) : proportional(extent, top), top };
}

/** Whether the scroller is about to end before the list does, or the list has ended before it, so that it has to be moved now. */
export function isStuck(extent: Extent, { position, top }: Scroll): boolean {
  if (extent.length <= LIMIT) return false;
  const [left, leftTop] = [furthest(extent) - position, furthestTop(extent) - top];
  const near = 2 * extent.viewport;
  return (top <= near && position !== top) || (leftTop <= near && left !== leftTop) || (position === 0 && top > 0) || (left === 0 && leftTop > 0);
}

/** Rows that touch the sight, `margin` more on either side. */
export function rowsInSight(extent: Extent, position: number, rowHeight: number, margin: number): [first: number, end: number] {
  const rows = Math.ceil(extent.length / rowHeight);
  const first = Math.max(0, Math.floor(position / rowHeight) - margin);
  return [first, Math.min(rows, Math.ceil((position + extent.viewport) / rowHeight) + margin)];
}
