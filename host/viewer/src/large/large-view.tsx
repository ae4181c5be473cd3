// One sample at a time: its image with masks, its labels and regions, and what a reviewer makes of them.
import type { ComponentChildren } from "preact";
import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { lineOf } from "../api.ts";
import { Failure, Waiting } from "../controls/states.tsx";
import type { QueueKind } from "../contract.ts";
import { count } from "../format.ts";
import { useKeys } from "../keys.ts";
import { useResource } from "../resource.ts";
import { receive } from "../reviewing/journal.ts";
import { place, reviewer } from "../store.ts";
import { type Picture, loadPicture } from "./picture.ts";
import { Bench } from "./bench.tsx";
import { loadSample, lookAhead } from "./sample.ts";

/** What one goes through: the gallery's result or a queue. */
export interface Sequence {
  total: number;
  /** Where the sample is in it; null for one that is not. */
  position: number | null;
  sampleAt: (position: number) => number | undefined;
  onMove: (sample: number) => void;
  onClose: () => void;
  /** After the last one. */
  onEnd?: () => void;
}

interface Props {
  sample: number;
  sequence: Sequence;
  /** Why the image came up, in a queue. */
  head?: ComponentChildren;
  focusClass?: number | null;
  cameFrom?: QueueKind | null;
}

export function LargeView({ sample, sequence, head, focusClass, cameFrom }: Props) {
  const root = useRef<HTMLDivElement>(null);
  const who = reviewer.value.value;
  const load = useCallback(async (_: string, signal: AbortSignal) => {
    const answer = await loadSample(sample, who, signal);
    receive(answer, who);
    return answer;
  }, [sample, who]);
  const { data, error, retry } = useResource(`${sample} ${who}`, load);
  const shown = data?.sample === sample ? data : null;
  const picture = usePicture(sample);

  const move = (step: number) => {
    const next = sequence.position === null ? sequence.sampleAt(0) : sequence.sampleAt(sequence.position + step);
    if (next !== undefined) sequence.onMove(next);
    else if (step > 0) sequence.onEnd?.();
  };
  useEffect(() => root.current?.focus({ preventScroll: true }), []);
  useEffect(() => {
    if (!shown) return;
    const next = sequence.sampleAt((sequence.position ?? -1) + 1);
    if (next !== undefined) lookAhead(next, who);
  }, [shown, who]);
  useKeys(1, (event) => {
    if (event.shiftKey) return false;
    if (event.key === "ArrowRight" || event.key === "j") return move(1), true;
    if (event.key === "ArrowLeft" || event.key === "k") return move(-1), true;
    if (event.key === "Escape") return sequence.onClose(), true;
    return false;
  });
  // A click leaves the focus on its button, where Space would press it again instead of completing the image.
  const onClick = (event: MouseEvent) => {
    const button = (event.target as Element).closest("button");
    if (event.detail > 0 && button) setTimeout(() => { if (document.activeElement === button) root.current?.focus({ preventScroll: true }); });
  };

  return (
    <div class="large" ref={root} tabIndex={-1} onClick={onClick}>
      <div class="large-bar">
        <button type="button" onClick={sequence.onClose}><span aria-hidden="true">←</span> Back <kbd>Esc</kbd></button>
        <h1 class="id" title={shown?.id}>{shown?.id ?? `Image ${sample}`}</h1>
        <div class="steps">
          <span class="where">{head || sequence.position === null ? "" : `${count(sequence.position + 1)} of ${count(sequence.total)}`}</span>
          <button type="button" class="icon" aria-label="Previous image" title="Previous (←, k)" disabled={!sequence.position} onClick={() => move(-1)}>‹</button>
          <button type="button" class="icon" aria-label="Next image" title="Next (→, j)" disabled={sequence.position !== null && sequence.position + 1 >= sequence.total && !sequence.onEnd} onClick={() => move(1)}>›</button>
        </div>
      </div>
      {head}
      {error !== null ? <Failure line={error} retry={retry} /> : shown === null ? <Waiting what="Asking for the image" /> : (
        <Bench key={`${sample} ${place.value.queue?.kind}`} sample={shown} picture={picture} focusClass={focusClass ?? null} cameFrom={cameFrom ?? null} onNext={() => move(1)} onMove={sequence.onMove} />
      )}
    </div>
  );
}

function usePicture(sample: number): Picture | null {
  const [loaded, setLoaded] = useState<{ sample: number; picture: Picture } | null>(null);
  useEffect(() => {
    let current = true;
    loadPicture(sample).then(
      (picture) => current && setLoaded({ sample, picture }),
      (error: unknown) => current && setLoaded({ sample, picture: { image: null, problem: lineOf(error) } }),
    );
    return () => void (current = false);
  }, [sample]);
  return useMemo(() => (loaded?.sample === sample ? loaded.picture : null), [loaded, sample]);
}

