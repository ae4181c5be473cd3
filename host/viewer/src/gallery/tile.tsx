// One sample in the gallery: its thumbnail, its labels above the threshold, and what is special about it.
import { useEffect, useRef, useState } from "preact/hooks";
import type { Row } from "../contract.ts";
import { probability } from "../format.ts";
import { blind, className, pictureOf, place, run, threshold } from "../store.ts";

export function Thumbnail({ sample, size, alt }: { sample: number; size: number; alt: string }) {
  const image = useRef<HTMLImageElement>(null);
  const [failed, setFailed] = useState(false);
  // A browser goes on loading an image that was taken out of the page.
  useEffect(() => {
    const element = image.current;
    return () => element?.removeAttribute("src");
  }, []);
  if (failed) return <span class="unreadable">cannot be read</span>;
  return (
    <img ref={image} src={pictureOf(`/api/thumbnail/${sample}?size=${size}`)} alt={alt} decoding="async" draggable={false} onError={() => setFailed(true)} />
  );
}

/** The given label first, then the one that was filtered for, then the most probable; by name where scores are hidden. */
function labelsAbove(row: Row, tau: number, wanted: number | undefined, hidden: boolean) {
  const above = row.labels.filter(([, p]) => p > tau);
  const rank = (index: number) => (index === row.given ? 2 : index === wanted ? 1 : 0);
  return above.sort((a, b) => rank(b[0]) - rank(a[0]) || (hidden ? className(a[0]).localeCompare(className(b[0]), "en") : b[1] - a[1]));
}

export function TileText({ row, lines }: { row: Row; lines: number }) {
  const hidden = blind.value;
  const tau = threshold.value;
  const labels = labelsAbove(row, tau, place.value.filters.label, hidden);
  const hasGiven = labels.some(([index]) => index === row.given);
  const known = run.value?.truth ? row.truth : null;
  const room = hasGiven ? lines : lines - 1;
  const shown = labels.length > room ? labels.slice(0, room - 1) : labels;
  return (
    <>
      <ul class="tile-labels">
        {!hasGiven && (
          <li class="absent" title="the given label is not above the threshold">
            <span class="name">{className(row.given)}</span> <span class="tag plain">given</span>
          </li>
        )}
        {shown.map(([index, p]) => (
          <li key={index}>
            <span class="name">{className(index)}</span>
            {index === row.given && <span class="tag">given</span>}
            {!hidden && <span class="p">{probability(p)}</span>}
            {known && !hidden && <Truth right={known.includes(index)} />}
          </li>
        ))}
        {shown.length < labels.length && <li class="more">+{labels.length - shown.length} more</li>}
      </ul>
      <span class="file">{row.id}</span>
    </>
  );
}

export function Truth({ right }: { right: boolean }) {
  return (
    <span class={right ? "mark right" : "mark wrong"} role="img" aria-label={right ? "true" : "not true"}>
      {right ? "✓" : "✕"}
    </span>
  );
}

export function Badges({ row }: { row: Row }) {
  const unsupported = !blind.value && row.support !== null && row.support < threshold.value;
  return (
    <span class="badges">
      {row.skipped.length > 0 && <span class="badge warn" title={row.skipped.join("\n")}>skipped</span>}
      {unsupported && <span class="badge warn" title="no region backs the given label">unsupported</span>}
      {row.reviewed.length > 0 && <span class="badge good" title={`reviewed by ${row.reviewed.join(", ")}`}>reviewed</span>}
    </span>
  );
}
