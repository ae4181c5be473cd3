// All classes with their figures.
import { useMemo, useState } from "preact/hooks";
import { TextField } from "../filters/fields.tsx";
import { Failure, Waiting } from "../controls/states.tsx";
import type { ClassFigures } from "../contract.ts";
import { count, plural } from "../format.ts";
import { useResource } from "../resource.ts";
import { className, linkTo, place, threshold } from "../store.ts";

type Column = keyof ClassFigures | "name";
export const FIGURES: readonly (readonly [key: Exclude<keyof ClassFigures, "class">, name: string, meaning: string])[] = [
  ["given", "Given", "images whose given label it is"],
  ["predicted", "Labelled", "images that have it above the threshold"],
  ["added", "Added", "of those, images with another given label"],
  ["unsupported", "Unsupported", "images given it that no region backs"],
  ["accepted", "Accepted", "labels of it that reviewers accepted"],
  ["rejected", "Rejected", "labels of it that reviewers rejected"],
  ["missed", "Missed", "images where reviewers added it by hand"],
];
const AT_ONCE = 400;

export const tauQuery = (): string => (place.value.filters.tau === undefined ? "" : `tau=${place.value.filters.tau}`);

export function Classes() {
  const { data, error, retry } = useResource<ClassFigures[]>(`/api/classes?${tauQuery()}`);
  return (
    <div class="page">
      <h1>Classes</h1>
      {error !== null ? <Failure line={error} retry={retry} /> : data === null ? <Waiting what="Asking for the classes" /> : <Table classes={data} />}
    </div>
  );
}

function Table({ classes }: { classes: ClassFigures[] }) {
  const [text, setText] = useState("");
  const [sorted, setSorted] = useState<{ by: Column; down: boolean }>({ by: "class", down: false });
  const [most, setMost] = useState(AT_ONCE);
  const rows = useMemo(() => {
    const wanted = text.toLowerCase();
    const found = classes.filter((figures) => className(figures.class).toLowerCase().includes(wanted));
    const byName = new Intl.Collator("en", { numeric: true }).compare;
    const by = sorted.by;
    found.sort((a, b) => (by === "name" ? byName(className(a.class), className(b.class)) : a[by] - b[by]) * (sorted.down ? -1 : 1) || a.class - b.class);
    return found;
  }, [classes, text, sorted]);
  const head = (by: Column, name: string, meaning: string) => (
    <th scope="col" class={by === "name" ? "" : "num"} aria-sort={sorted.by === by ? (sorted.down ? "descending" : "ascending") : undefined}>
      <button type="button" title={meaning} onClick={() => setSorted({ by, down: sorted.by === by ? !sorted.down : by !== "name" && by !== "class" })}>
        {name}<span aria-hidden="true">{sorted.by === by ? (sorted.down ? " ↓" : " ↑") : ""}</span>
      </button>
    </th>
  );
  return (
    <>
      <p class="lead">{plural(classes.length, "class", "classes")}, with labels above {threshold.value.toFixed(2)}.</p>
      <div class="panel">
        <TextField label="Name contains" value={text} onChange={setText} placeholder="part of a class's name" />
        <div class="scroll" tabIndex={0} role="region" aria-label="Classes">
          <table class="list sortable">
            <thead><tr>{head("class", "No.", "the class's number")}{head("name", "Class", "its name")}{FIGURES.map(([key, name, meaning]) => head(key, name, meaning))}</tr></thead>
            <tbody>
              {rows.slice(0, most).map((figures) => (
                <tr key={figures.class}>
                  <td class="num">{figures.class}</td>
                  <th scope="row"><a {...linkTo({ view: "class", classIndex: figures.class })}>{className(figures.class)}</a></th>
                  {FIGURES.map(([key]) => <td key={key} class={figures[key] === 0 ? "num zero" : "num"}>{count(figures[key])}</td>)}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
        {rows.length === 0 && <p class="empty">No class has “{text}” in its name.</p>}
        {rows.length > most && <button type="button" onClick={() => setMost(most + AT_ONCE)}>Show more of {count(rows.length)}</button>}
      </div>
    </>
  );
}
