// Ties a scroller to a list that may be longer than an element can be.
import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Extent, type Scroll, isStuck, rowsInSight, scrollTo, scrolled } from "../scroll.ts";

/** Pauses in scrolling after which the scroller is brought in proportion again, and what was only flown over is not asked for. */
const PAUSE = 140;

export function useLongScroll(length: number, rowHeight: number, onWidth: (width: number) => void) {
  const scroller = useRef<HTMLDivElement>(null);
  const [viewport, setViewport] = useState(0);
  const extent: Extent = { length, viewport };
  const [scroll, setScroll] = useState<Scroll>({ position: 0, top: 0 });
  const [settled, setSettled] = useState(true);
  const latest = useRef({ extent, scroll });
  latest.current.extent = extent;
  /** A scrollTop that the page set itself: its event is no movement. */
  const expected = useRef<number | null>(null);

  const put = useCallback((next: Scroll) => {
    latest.current.scroll = next;
    setScroll(next);
  }, []);
  const move = useCallback((position: number) => {
    const next = scrollTo(latest.current.extent, position);
    expected.current = next.top;
    put(next);
  }, []);

  useLayoutEffect(() => {
    const element = scroller.current;
    if (expected.current === null || !element) return;
    if (Math.abs(element.scrollTop - expected.current) >= 1) element.scrollTop = expected.current;
    else expected.current = null;
  });

  useEffect(() => {
    const element = scroller.current!;
    const measure = new ResizeObserver(() => {
      onWidth(element.clientWidth);
      setViewport(element.clientHeight);
    });
    measure.observe(element);
    let pause = 0;
    const onScroll = () => {
      const top = element.scrollTop;
      const { extent: now, scroll: last } = latest.current;
      if (expected.current !== null && Math.abs(top - expected.current) < 1) {
        expected.current = null;
        return;
      }
      const next = scrolled(now, last, top);
      if (Math.abs(next.position - last.position) > 1.5 * now.viewport) setSettled(false);
      put(next);
      if (isStuck(now, next)) move(next.position);
      clearTimeout(pause);
      pause = setTimeout(() => {
        setSettled(true);
        const proportional = scrollTo(latest.current.extent, latest.current.scroll.position);
        if (Math.abs(proportional.top - latest.current.scroll.top) > 1) move(latest.current.scroll.position);
      }, PAUSE);
    };
    element.addEventListener("scroll", onScroll, { passive: true });
    return () => {
      measure.disconnect();
      clearTimeout(pause);
      element.removeEventListener("scroll", onScroll);
    };
  }, []);

  return { scroller, extent, scroll, rows: rowsInSight(extent, scroll.position, rowHeight, 1), settled, move };
}
