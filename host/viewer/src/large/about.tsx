// What else is known of the sample.
import type { ReviewEvent, ReviewState, Sample } from "../contract.ts";
import { count, probability } from "../format.ts";
import { className, linkTo } from "../store.ts";

const ACTION_TEXT: Record<ReviewEvent["action"], string> = {
  accept: "accepted", reject: "rejected", add: "added", "bad-mask": "marked as bad: mask", "good-mask": "marked as good: mask", complete: "completed the image", undo: "took back",
};

export function About({ sample, state, events, blind }: { sample: Sample; state: ReviewState; events: ReviewEvent[]; blind: boolean }) {
  return (
    <section aria-label="About the image">
      <h2>About</h2>
      {sample.skipped.length > 0 && (
        <div class="skipped-reasons">
          <h3>Skipped</h3>
          <ul>{sample.skipped.map((reason) => <li key={reason}>{reason}</li>)}</ul>
        </div>
      )}
      <dl class="facts">
        <div><dt>Given label</dt><dd><a {...linkTo({ view: "class", classIndex: sample.given })}>{className(sample.given)}</a></dd></div>
        {!blind && <div><dt>Best region for it</dt><dd>{sample.support === null ? "no regions" : probability(sample.support)}</dd></div>}
        {sample.truth && !blind && <div><dt>Truth</dt><dd>{sample.truth.map(className).join(", ") || "no class"}</dd></div>}
        {sample.width > 0 && <div><dt>Size</dt><dd>{count(sample.width)} × {count(sample.height)}</dd></div>}
        <div><dt>Completed by</dt><dd>{state.complete_by.join(", ") || "nobody yet"}</dd></div>
        <div><dt>Id</dt><dd class="file">{sample.id}</dd></div>
      </dl>
      {events.length > 0 && (
        <details>
          <summary>Review events ({events.length})</summary>
          <ol class="events">
            {events.map((event) => (
              <li key={event.id}>{event.who} {ACTION_TEXT[event.action] ?? event.action} {event.class != null ? event.class : event.region != null ? event.region + 1 : ""}</li>
            ))}
          </ol>
        </details>
      )}
    </section>
  );
}
