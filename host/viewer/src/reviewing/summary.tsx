// What the reviews say of the labels, and how sure that is.
import { Failure, Waiting } from "../controls/states.tsx";
import type { Interval, Summary } from "../contract.ts";
import { count, intervalText, percent, plural } from "../format.ts";
import { useResource } from "../resource.ts";
import { className, linkTo } from "../store.ts";

export function SummaryPage() {
  const { data, error, retry } = useResource<Summary>("/api/reviews/summary");
  return (
    <div class="page">
      <h1>Summary of the reviews</h1>
      {error !== null ? <Failure line={error} retry={retry} /> : data === null ? <Waiting what="Asking for the summary" /> : <Figures summary={data} />}
    </div>
  );
}

function Figures({ summary }: { summary: Summary }) {
  const { images, events, reviewers, precision, recall, random_images, kappa, by_class, added } = summary;
  const judged = by_class.filter((entry): entry is { class: number; precision: Interval } => entry.precision !== null);
  return (
    <>
      <p class="lead">
        {images === 0 ? "Nothing has been reviewed yet." : `${plural(images, "image")} reviewed in ${plural(events, "event")} by ${reviewers.join(", ")}.`}
      </p>
      <dl class="figures">
        <Figure name="Precision" interval={precision} note={precision ? `${count(precision.right)} of ${count(precision.of)} labels are right` : "needs completed images from the random queue"} />
        <Figure name="Recall" interval={recall} note={recall ? `${count(recall.right)} of ${count(recall.of)} true classes are labelled` : "needs completed images from the random queue"} />
        {added?.precision && <Figure name="Precision of added labels" interval={added.precision} note={`${count(added.precision.right)} of ${count(added.precision.of)}, the given labels left out`} />}
        {added?.recall && <Figure name="Recall of what was not given" interval={added.recall} note={`${count(added.recall.right)} of ${count(added.recall.of)} true classes besides the given one`} />}
        <div>
          <dt>Agreement (Cohen's κ)</dt>
          <dd>{kappa ? kappa.value.toFixed(2) : "–"}</dd>
          <dd class="note">{kappa ? `${plural(kappa.labels, "label")} of ${plural(kappa.images, "image")} that two judged` : "needs images that two have finished"}</dd>
        </div>
      </dl>
      <p class="hint wide">
        Precision and recall are estimates for the whole run. They come from the {plural(random_images, "completed image")} of the random queue alone: the other queues pick images that are unlike the rest.
        Intervals are Wilson's, 95 %. Few images give a wide interval; that is not a fault of the labels.
      </p>
      {random_images < 50 && <p><a class="button" {...linkTo({ view: "queue", queue: { kind: "random", n: 50 } })}>Review random images</a></p>}
      {judged.length > 0 && (
        <section class="panel">
          <h2>By class</h2>
          <p class="hint">Of the labels that were judged, in any queue, how many are right. Queues other than the random one choose the hard ones: compare classes, do not quote these.</p>
          <div class="scroll" tabIndex={0} role="region" aria-label="Precision by class">
            <table class="list">
              <thead><tr><th scope="col">Class</th><th scope="col" class="num">Right</th><th scope="col" class="num">Judged</th><th scope="col">Precision, 95 %</th></tr></thead>
              <tbody>
                {judged.map(({ class: index, precision: interval }) => (
                  <tr key={index}>
                    <th scope="row"><a {...linkTo({ view: "class", classIndex: index })}>{className(index)}</a></th>
                    <td class="num">{count(interval.right)}</td>
                    <td class="num">{count(interval.of)}</td>
                    <td><IntervalBar interval={interval} /></td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </section>
      )}
    </>
  );
}

function Figure({ name, interval, note }: { name: string; interval: Interval | null; note: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{interval ? percent(interval.value) : "–"}</dd>
      {interval && <dd class="note">{percent(interval.low)} to {percent(interval.high)}</dd>}
      <dd class="note">{note}</dd>
    </div>
  );
}

export function IntervalBar({ interval }: { interval: Interval }) {
  return (
    <span class="interval">
      <span class="interval-track" aria-hidden="true">
        <i style={{ left: `${100 * interval.low}%`, width: `${100 * (interval.high - interval.low)}%` }} />
        <b style={{ left: `${100 * interval.value}%` }} />
      </span>
      <span>{intervalText(interval)}</span>
    </span>
  );
}
