// The regions with what each was taken for.
import { count, percent, probability } from "../format.ts";
import { className } from "../store.ts";
import type { Shape } from "./shapes.ts";

interface Props {
  shapes: Shape[];
  pixels: number;
  focused: number | null;
  bad: number[];
  blind: boolean;
  /** Whether some regions were selected for training. */
  selection: boolean;
  judging: boolean;
  onFocus: (place: number | null) => void;
  onHover: (place: number | null) => void;
  onMark: (place: number) => void;
}

export function Regions({ shapes, pixels, focused, bad, blind, selection, judging, onFocus, onHover, onMark }: Props) {
  if (shapes.length === 0) return <p class="hint">No region was kept of this image.</p>;
  return (
    <ol class="regions">
      {shapes.map((shape, place) => {
        const isFocused = place === focused;
        const isBad = bad.includes(place);
        return (
          <li key={place} class={`region${isFocused ? " focused" : ""}${isBad ? " bad" : ""}`} onPointerEnter={() => onHover(place)} onPointerLeave={() => onHover(null)}>
            <button type="button" class="region-name" aria-expanded={isFocused} onClick={() => onFocus(isFocused ? null : place)}>
              <i class="swatch" style={{ background: shape.colour }} />
              <span class="number">{place + 1}</span>
              <span class="name">{shape.top[0] ? className(shape.top[0][0]) : "no class"}</span>
              {!blind && shape.region !== null && shape.top[0] && <span class="p">{probability(shape.top[0][1])}</span>}
              <span class="about">
                {shape.source} · {count(shape.area)} px{pixels > 0 && ` (${percent(shape.area / pixels, 0)})`}
                {!blind && shape.score !== null && ` · score ${probability(shape.score)}`}
                {selection && !blind && shape.selected && <span class="tag">for training</span>}
                {isBad && <span class="tag bad">bad mask</span>}
              </span>
            </button>
            {isFocused && (
              <div class="region-more">
                {!blind && shape.region !== null && <TopClasses top={shape.top} />}
                {judging && shape.region !== null && (
                  <button type="button" aria-pressed={isBad} onClick={() => onMark(place)}><kbd>m</kbd> {isBad ? "The mask is good after all" : "The mask is bad"}</button>
                )}
              </div>
            )}
          </li>
        );
      })}
    </ol>
  );
}

export function TopClasses({ top }: { top: Shape["top"] }) {
  return (
    <ul class="top-classes">
      {top.map(([index, p]) => (
        <li key={index}>
          <span class="name">{className(index)}</span>
          <span class="track" aria-hidden="true"><i style={{ width: `${100 * p}%` }} /></span>
          <span class="p">{probability(p)}</span>
        </li>
      ))}
    </ul>
  );
}
