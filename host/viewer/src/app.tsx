// The frame of the page: what is shown, the way to the other views, and what went wrong.
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type View, resultQuery } from "./address.ts";
import { forbidden, getJson, lineOf, unready } from "./api.ts";
import { NameDialog } from "./controls/name-dialog.tsx";
import { Failure, Waiting } from "./controls/states.tsx";
import type { Run } from "./contract.ts";
import { count } from "./format.ts";
import { Gallery, rememberSeen } from "./gallery/gallery.tsx";
import { loadResult } from "./gallery/result.ts";
import { Help } from "./help.tsx";
import { useKeys } from "./keys.ts";
import { LargeView } from "./large/large-view.tsx";
import { ClassPage } from "./pages/class.tsx";
import { Classes } from "./pages/classes.tsx";
import { Pairs } from "./pages/pairs.tsx";
import { ThresholdsPage } from "./pages/thresholds.tsx";
import { useResource } from "./resource.ts";
import { Queue } from "./reviewing/queue.tsx";
import { SummaryPage } from "./reviewing/summary.tsx";
import { announcement, blind, dismiss, go, linkTo, nameRequest, notices, place, run, shownPlace, theme } from "./store.ts";

const VIEWS: readonly (readonly [view: View, name: string])[] = [
  ["gallery", "Gallery"], ["queue", "Queue"], ["summary", "Summary"], ["classes", "Classes"], ["pairs", "Pairs"], ["thresholds", "Thresholds"],
];
/** The views that tell scores, or what follows from them. */
const TELLING: readonly View[] = ["classes", "class", "pairs", "thresholds"];
const helpOpen = signal(false);

export function App() {
  const failed = useRun();
  const known = run.value;
  useLayoutEffect(() => {
    const { value } = theme.value;
    if (value === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = value;
  }, [theme.value.value]);
  useEffect(() => {
    const { view, sample } = place.value;
    const name = sample !== null ? `Image ${sample}` : view === "class" ? "Class" : VIEWS.find(([key]) => key === view)![1];
    document.title = `${name} · ${known?.name ?? "convert view"}`;
  }, [place.value, known]);
  useKeys(0, (event) => {
    if (event.key === "?" && known) return (helpOpen.value = true);
    return false;
  });

  if (forbidden.value) return <Plain title="Not allowed in"><p>Open the address that <code>convert view</code> printed: it holds the token that lets this browser in.</p></Plain>;
  if (!known) return <Plain title="convert view">{failed ? <Failure line={failed.line} retry={failed.retry} /> : <Waiting what="Asking for the run" />}</Plain>;
  if (known.index.error) return <Plain title="The index cannot be built"><p>{known.index.error}</p><p>Start <code>convert view</code> again once this is put right.</p></Plain>;
  if (!known.index.ready) return <Building shards={known.index.shards} done={known.index.done} />;
  return (
    <>
      <a class="skip" href="#main">To the content</a>
      <Header name={known.name} />
      <main id="main" tabIndex={-1} class={`view-${place.value.sample !== null ? "large" : place.value.view}`}><Current /></main>
      <Notices />
      {helpOpen.value && <Help onClose={() => (helpOpen.value = false)} />}
      {nameRequest.value && <NameDialog answer={nameRequest.value} first={known.reviewer ?? ""} />}
      <div class="unseen" role="status" aria-live="polite">{announcement.value}</div>
    </>
  );
}

function Current() {
  const { view, sample } = place.value;
  if (view === "queue") return <Queue />;
  if (sample !== null) return <FromGallery sample={sample} />;
  if (blind.value && TELLING.includes(view)) return <div class="page"><h1>Hidden</h1><p class="lead">This page would tell scores, and they are hidden while you review blind.</p></div>;
  switch (view) {
    case "gallery": return <Gallery />;
    case "summary": return <SummaryPage />;
    case "classes": return <Classes />;
    case "class": return <ClassPage />;
    case "pairs": return <Pairs />;
    case "thresholds": return <ThresholdsPage />;
  }
}

/** The large view, going through what the gallery shows. */
function FromGallery({ sample }: { sample: number }) {
  const { data, error, retry } = useResource(resultQuery(shownPlace.value), loadResult);
  if (error !== null) return <Failure line={error} retry={retry} />;
  if (data === null) return <Waiting what="Asking for the matching images" />;
  const position = data.indexOf(sample);
  return (
    <LargeView sample={sample} sequence={{
      total: data.length,
      position: position < 0 ? null : position,
      sampleAt: (at) => data[at],
      onMove: (next) => go({ sample: next }, "replace"),
      onClose: () => {
        if (position >= 0) rememberSeen(position);
        go({ sample: null });
      },
    }} />
  );
}

function Header({ name }: { name: string }) {
  const { view, sample } = place.value;
  const current = view === "class" ? "classes" : view;
  const nav = useRef<HTMLElement>(null);
  useEffect(() => nav.current?.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" }), [current]);
  const next = { system: "light", light: "dark", dark: "system" } as const;
  return (
    <header class={sample !== null ? "head in-large" : "head"}>
      <p class="run-name" title={name}>{name}</p>
      <nav aria-label="Views" ref={nav}>
        {VIEWS.filter(([key]) => !blind.value || !TELLING.includes(key)).map(([key, text]) => (
          <a key={key} {...linkTo({ view: key })} aria-current={key === current ? "page" : undefined}>{text}</a>
        ))}
      </nav>
      {run.value!.read_only && <span class="tag">read only</span>}
      {run.value!.blind && <span class="tag">blind</span>}
      <button type="button" class="quiet" onClick={() => theme.set(next[theme.value.value])} title="Light, dark, or as the system has it">
        <span class="unseen">Colours: </span>{{ system: "Auto", light: "Light", dark: "Dark" }[theme.value.value]}
      </button>
      <button type="button" class="icon" aria-label="Help" title="Keys and help (?)" onClick={() => (helpOpen.value = true)}>?</button>
    </header>
  );
}

function Notices() {
  return (
    <div class="notices" aria-live="assertive">
      {notices.value.map((notice) => (
        <div key={notice.text} class="notice">
          <p>{notice.text}</p>
          {notice.retry && <button type="button" onClick={() => { dismiss(notice); notice.retry!(); }}>Try again</button>}
          <button type="button" class="icon" aria-label="Dismiss" onClick={() => dismiss(notice)}>✕</button>
        </div>
      ))}
    </div>
  );
}

function Building({ shards, done }: { shards: number; done: number }) {
  return (
    <Plain title="The index is being built">
      <progress max={Math.max(1, shards)} value={done} aria-label="Shards in the index" />
      <p>{count(done)} of {count(shards)} shards. This happens once for a run.</p>
    </Plain>
  );
}

function Plain({ title, children }: { title: string; children: ComponentChildren }) {
  return <main class="plain"><div class="panel"><h1>{title}</h1>{children}</div></main>;
}

/** Asks for the run, and again twice a second until its index is there. */
function useRun(): { line: string; retry: () => void } | null {
  const [attempt, setAttempt] = useState(0);
  const [line, setLine] = useState<string | null>(null);
  useEffect(() => {
    const controller = new AbortController();
    let timer = 0;
    const ask = () => {
      getJson<Run>("/api/run", controller.signal).then(
        (answer) => {
          run.value = answer;
          setLine(null);
          if (!answer.index.ready && !answer.index.error) timer = setTimeout(ask, 500);
        },
        (error: unknown) => !controller.signal.aborted && setLine(lineOf(error)),
      );
    };
    ask();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, [attempt, unready.value]);
  return line === null ? null : { line, retry: () => setAttempt(attempt + 1) };
}
