// One class: its figures, what it comes with, and images to look at.
import { useEffect } from "preact/hooks";
import { Failure, Waiting } from "../controls/states.tsx";
import type { ClassDetails } from "../contract.ts";
import { count } from "../format.ts";
import { rowOf, rowsVersion, wantRows } from "../gallery/rows.ts";
import { Thumbnail } from "../gallery/tile.tsx";
import { useResource } from "../resource.ts";
import { IntervalBar } from "../reviewing/summary.tsx";
import { className, linkTo, place } from "../store.ts";
import { FIGURES, tauQuery } from "./classes.tsx";

export function ClassPage() {
  const index = place.value.classIndex ?? 0;
  const { data, error, loading, retry } = useResource<ClassDetails>(`/api/class/${index}?${tauQuery()}`);
  return (
    <div class="page">
      <p class="overline"><a {...linkTo({ view: "classes" })}>Classes</a></p>
      <h1>{className(index)}</h1>
      {error !== null ? <Failure line={error} retry={retry} /> : data === null || loading ? <Waiting what="Asking for the class" /> : <Details details={data} />}
    </div>
  );
}

function Details({ details }: { details: ClassDetails }) {
  const own = details.class;
  const filters = place.value.filters.tau === undefined ? {} : { tau: place.value.filters.tau };
  useEffect(() => {
    wantRows([...new Set([...details.examples, ...details.doubtful])]);
    return () => wantRows([]);
  }, [details]);
  return (
    <>
      <dl class="figures many">
        {FIGURES.map(([key, name, meaning]) => <div key={key}><dt title={meaning}>{name}</dt><dd>{count(details[key])}</dd><dd class="note">{meaning}</dd></div>)}
      </dl>
      <p class="links">
        <a class="button" {...linkTo({ filters: { ...filters, label: own } })}>Images with this label</a>
        <a class="button" {...linkTo({ filters: { ...filters, given: own } })}>Images given this label</a>
        <a class="button" {...linkTo({ filters: { ...filters, given: own, unsupported: "yes" }, order: "unsupported" })}>Given it, but unsupported</a>
      </p>
      <section class="panel">
        <h2>Precision of reviewed labels</h2>
        {details.precision ? <IntervalBar interval={details.precision} /> : <p class="hint">No label of this class has been judged yet.</p>}
      </section>
      <div class="columns">
        <Related title="Comes with" hint="What else the images given this class are labelled." list={details.with} more={(other) => ({ ...filters, given: own, label: other })} />
        <Related title="Added for" hint="The given labels of images where this class was added." list={details.for} more={(other) => ({ ...filters, given: other, label: own })} />
      </div>
      <Images title="Examples" hint="Best supported by a region first." samples={details.examples} filters={{ ...filters, label: own }} />
      <Images title="Doubtful" hint="This class was added, close to the threshold." samples={details.doubtful} filters={{ ...filters, label: own }} order="near" />
    </>
  );
}

type Filters = NonNullable<Parameters<typeof linkTo>[0]["filters"]>;

function Related({ title, hint, list, more }: { title: string; hint: string; list: [number, number][]; more: (other: number) => Filters }) {
  const most = Math.max(1, ...list.map(([, images]) => images));
  return (
    <section class="panel">
      <h2>{title}</h2>
      <p class="hint">{hint}</p>
      {list.length === 0 && <p class="empty">No class.</p>}
      <ul class="bars">
        {list.map(([other, images]) => (
          <li key={other}>
            <a class="name" {...linkTo({ filters: more(other) })}>{className(other)}</a>
            <span class="track" aria-hidden="true"><i style={{ width: `${(100 * images) / most}%` }} /></span>
            <span class="number">{count(images)}</span>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Images({ title, hint, samples, filters, order }: { title: string; hint: string; samples: number[]; filters: Filters; order?: "near" }) {
  void rowsVersion.value;
  return (
    <section class="panel">
      <h2>{title}</h2>
      <p class="hint">{hint}</p>
      {samples.length === 0 ? <p class="empty">No image.</p> : (
        <ul class="strip">
          {samples.map((sample) => (
            <li key={sample}>
              <a {...linkTo({ view: "gallery", filters, sample, ...(order && { order }) })} title={rowOf(sample)?.id}>
                <Thumbnail sample={sample} size={160} alt={rowOf(sample)?.id ?? `image ${sample}`} />
              </a>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
