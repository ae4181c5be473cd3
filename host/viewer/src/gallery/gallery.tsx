// All samples that match, as tiles: only those in sight are in the page, and only they ask the server for anything.
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { resultQuery } from "../address.ts";
import { Filters } from "../filters/panel.tsx";
import { ResultBar } from "../filters/result-bar.tsx";
import { Failure, Waiting } from "../controls/states.tsx";
import { useResource } from "../resource.ts";
import { scrollerHeight } from "../scroll.ts";
import { go, linkTo, place, shownPlace, tileSize } from "../store.ts";
import { loadResult } from "./result.ts";
import { rowOf, rowsError, rowsVersion, wantRows } from "./rows.ts";
import { Badges, Thumbnail, TileText } from "./tile.tsx";
import { useLongScroll } from "./long-scroll.ts";

const TILES = { 
  small: { width: 132, text: 64, thumbnail: 160, lines: 2 }, medium: { width: 200, text: 90, thumbnail: 256, lines: 3 }, large: { width: 320, text: 129, thumbnail: 512, lines: 5 },
 };
const GAP = 12;

export function Gallery() {
  const query = resultQuery(shownPlace.value);
  const { data, error, loading, retry } = useResource(query, loadResult);
  return (
    <div class="gallery-page">
      <Filters />
      <section class="results" aria-label="Matching images" aria-busy={loading}>
        <ResultBar total={data?.length ?? null} query={query} retry={retry} />
        {error !== null ? <Failure line={error} retry={retry} /> : data === null ? <Waiting what="Asking for the matching images" /> : <Tiles result={data} key={query} />}
      </section>
    </div>
  );
}

function Tiles({ result }: { result: Uint32Array }) {
  const shape = TILES[tileSize.value.value];
  const [width, setWidth] = useState(0);
  // Two tiles a row fit a telephone, at any size but the large one.
  const least = Math.min(shape.width, Math.max(120, (width - 3 * GAP) / 2));
  const columns = Math.max(1, Math.floor((width - GAP) / ((shape === TILES.large ? shape.width : least) + GAP)));
  const tileWidth = (width - GAP) / columns - GAP;
  const rowHeight = Math.round(tileWidth * 0.75) + shape.text + GAP;
  const length = Math.ceil(result.length / columns) * rowHeight + GAP;

  const { scroller, extent, scroll, rows, settled, move } = useLongScroll(length, rowHeight, setWidth);
  const last = Math.max(0, result.length - 1);
  const seen = useRef(lastSeen);
  const [cursor, setCursor] = useState(() => Math.min(seen.current ?? place.peek().at, last));
  const wantsFocus = useRef(seen.current !== null);
  const placed = useRef(0);

  // Where the address says, once the width is known, and again when a row holds more or fewer.
  useLayoutEffect(() => {
    if (width === 0 || placed.current === columns) return;
    placed.current = columns;
    lastSeen = null;
    const top = Math.floor(Math.min(place.peek().at, last) / columns) * rowHeight;
    const row = Math.floor(cursor / columns) * rowHeight;
    const inSight = row >= top && row + rowHeight <= top + extent.viewport;
    move(seen.current === null || inSight ? top : row);
    seen.current = null;
  }, [width, columns]);

  const firstInSight = Math.round(scroll.position / rowHeight) * columns;
  useEffect(() => {
    if (placed.current === 0) return;
    const timer = setTimeout(() => go({ at: Math.min(firstInSight, last) }, "replace"), 250);
    return () => clearTimeout(timer);
  }, [firstInSight]);

  const tiles = useMemo(() => {
    const end = Math.min(result.length, rows[1] * columns);
    return Array.from({ length: Math.max(0, end - rows[0] * columns) }, (_, offset) => rows[0] * columns + offset);
  }, [rows[0], rows[1], columns, result]);
  useEffect(() => {
    if (settled) wantRows(tiles.map((index) => result[index]!));
  }, [settled, tiles]);
  useEffect(() => () => wantRows([]), []);

  const show = (index: number) => {
    const next = Math.min(Math.max(index, 0), last);
    const top = Math.floor(next / columns) * rowHeight;
    wantsFocus.current = true;
    setCursor(next);
    if (top < scroll.position) move(top);
    else if (top + rowHeight + GAP > scroll.position + extent.viewport) move(top + rowHeight + GAP - extent.viewport);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(extent.viewport / rowHeight)) * columns;
    const steps: Record<string, number> = {
      ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity,
    };
    const step = steps[event.key];
    if (step === undefined) return;
    event.preventDefault();
    show(cursor + step);
  };
  useLayoutEffect(() => {
    if (!wantsFocus.current) return;
    const link = scroller.current?.querySelector<HTMLElement>(`[data-index="${cursor}"]`);
    if (!link) return;
    wantsFocus.current = false;
    link.focus({ preventScroll: true });
  });

  void rowsVersion.value;
  const reachable = tiles.includes(cursor) ? cursor : firstInSight;
  const shift = scroll.top - scroll.position;
  return (
    <>
      {rowsError.value !== null && <Failure line={rowsError.value} retry={() => wantRows(tiles.map((index) => result[index]!))} />}
      <div class={`tiles ${tileSize.value.value}`} ref={scroller} onKeyDown={onKeyDown} tabIndex={result.length === 0 ? 0 : -1}>
        {result.length === 0 && <p class="empty">No image matches all of these filters.</p>}
        <div class="tiles-height" role={result.length > 0 ? "list" : undefined} style={{ height: `${scrollerHeight(extent)}px` }}>
          {width > 0 && tiles.map((index) => {
            const sample = result[index]!;
            const row = rowOf(sample);
            const left = GAP + (index % columns) * (tileWidth + GAP);
            const top = GAP + Math.floor(index / columns) * rowHeight + shift;
            return (
              <div key={index} role="listitem" aria-posinset={index + 1} aria-setsize={result.length} class="tile-place"
                style={{ transform: `translate(${left}px, ${top}px)`, width: `${tileWidth}px`, height: `${rowHeight - GAP}px` }}>
                <a class={`tile${row ? "" : " pending"}`} data-index={index} tabIndex={index === reachable ? 0 : -1}
                  {...linkTo({ ...place.value, sample, at: firstInSight })} onFocus={() => setCursor(index)}>
                  <span class="tile-picture">
                    {(settled || row) && <Thumbnail sample={sample} size={shape.thumbnail} alt={row ? "" : `image ${sample}`} />}
                    {row && <Badges row={row} />}
                  </span>
                  {row && <TileText row={row} lines={shape.lines} />}
                </a>
              </div>
            );
          })}
        </div>
      </div>
    </>
  );
}

/** The tile that the large view was left at. */
let lastSeen: number | null = null;
export const rememberSeen = (index: number): void => void (lastSeen = index);
