// Classes that come together (the form of the paper's Table 8).
import { Failure, Waiting } from "../controls/states.tsx";
import type { Pair } from "../contract.ts";
import { count, percent } from "../format.ts";
import { useResource } from "../resource.ts";
import { className, go, linkTo, place, threshold } from "../store.ts";
import { tauQuery } from "./classes.tsx";

export function Pairs() {
  const { data, error, retry } = useResource<Pair[]>(`/api/pairs?top=200&${tauQuery()}`);
  return (
    <div class="page">
      <h1>Pairs</h1>
      <p class="lead">Classes that label the same image, above {threshold.value.toFixed(2)}. The most frequent pairs come first.</p>
      {error !== null ? <Failure line={error} retry={retry} /> : data === null ? <Waiting what="Asking for the pairs" /> : data.length === 0 ? <p class="empty">No image has two labels.</p> : <Table pairs={data} />}
    </div>
  );
}

function Table({ pairs }: { pairs: Pair[] }) {
  const filters = place.value.filters.tau === undefined ? {} : { tau: place.value.filters.tau };
  return (
    <div class="panel scroll" tabIndex={0} role="region" aria-label="Pairs">
      <table class="list pairs">
        <thead>
          <tr>
            <th scope="col">A</th><th scope="col">B</th><th scope="col" class="num">Images</th>
            <th scope="col" class="num" title="images labelled A">with A</th><th scope="col" class="num" title="images labelled B">with B</th>
            <th scope="col" title="of the images labelled A, those labelled B too">B among A</th><th scope="col" title="of the images labelled B, those labelled A too">A among B</th>
          </tr>
        </thead>
        <tbody>
          {pairs.map((pair) => {
            const link = { ...filters, pair: [pair.a, pair.b] as [number, number] };
            return (
              <tr key={`${pair.a} ${pair.b}`} class="clickable" onClick={(event) => { if (!(event.target as Element).closest("a")) go({ view: "gallery", filters: link, order: "id", at: 0 }); }}>
                <th scope="row"><a {...linkTo({ view: "class", classIndex: pair.a })}>{className(pair.a)}</a></th>
                <td><a {...linkTo({ view: "class", classIndex: pair.b })}>{className(pair.b)}</a></td>
                <td class="num"><a {...linkTo({ filters: link })} aria-label={`${count(pair.images)} images with ${className(pair.a)} and ${className(pair.b)}`}>{count(pair.images)}</a></td>
                <td class="num">{count(pair.a_images)}</td>
                <td class="num">{count(pair.b_images)}</td>
                <td><Share value={pair.share_a} /></td>
                <td><Share value={pair.share_b} /></td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Share({ value }: { value: number }) {
  return <span class="share"><span class="track" aria-hidden="true"><i style={{ width: `${100 * value}%` }} /></span>{percent(value, 0)}</span>;
}
