// The state that the whole page shares: the run, the place in the address, and what a reader has settled on.
import { computed, signal } from "@preact/signals";
import { type Filters, type Place, formatAddress, parseAddress, placeWith, withoutScores } from "./address.ts";
import type { Run } from "./contract.ts";

export const run = signal<Run | null>(null);
export const place = signal<Place>(parseAddress(location.search));

addEventListener("popstate", () => {
  place.value = parseAddress(location.search);
});

/** `push` for what deserves a Back, `replace` for the rest. */
export function go(changes: Partial<Place>, how: "push" | "replace" = "push"): void {
  const next = { ...place.value, ...changes };
  const address = formatAddress(next);
  if (address !== location.pathname + location.search) {
    if (how === "push") history.pushState(null, "", address);
    else history.replaceState(null, "", address);
  }
  place.value = next;
}

/** A link's address and what a plain click on it does. */
export function linkTo(target: Partial<Place>): { href: string; onClick: (event: MouseEvent) => void } {
  const there = placeWith({ blind: place.value.blind, ...target });
  return {
    href: formatAddress(there),
    onClick: (event) => {
      if (event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      event.preventDefault();
      go(there);
      scrollTo(0, 0);
    },
  };
}

export function setFilters(changes: { [Key in keyof Filters]?: Filters[Key] | undefined }): void {
  const filters = { ...place.value.filters, ...changes };
  for (const key of Object.keys(filters) as (keyof Filters)[]) if (filters[key] === undefined) delete filters[key];
  go({ filters: filters as Filters, at: 0 });
}

export const threshold = computed(() => shownPlace.value.filters.tau ?? run.value?.threshold ?? 0.5);

/** The address of a picture of this run: another run's pictures must not come out of the browser's cache. */
export const pictureOf = (path: string): string => `${path}${path.includes("?") ? "&" : "?"}run=${run.peek()?.identity ?? ""}`;

/** Whether scores are hidden: this reader wishes it, or the server was started so. */
export const blind = computed(() => place.value.blind || (run.value?.blind ?? false));

/** The place, without what would tell scores while they are hidden. */
export const shownPlace = computed(() => (blind.value ? withoutScores(place.value) : place.value));

export const className = (index: number): string => run.value?.classes[index] ?? `class ${index}`;

/** Something that went wrong beside what is shown, with a way to try again. */
export interface Notice {
  text: string;
  retry?: () => void;
}
export const notices = signal<Notice[]>([]);
export function notify(notice: Notice): void {
  notices.value = [...notices.value.filter(({ text }) => text !== notice.text), notice].slice(-3);
}
export function dismiss(notice: Notice): void {
  notices.value = notices.value.filter((other) => other !== notice);
}

/** What a screen reader is told of changes that are only seen. */
export const announcement = signal("");
export function announce(text: string): void {
  announcement.value = text;
}

function kept(key: string): string | null {
  try {
    return localStorage.getItem(`convert-view ${key}`);
  } catch {
    return null;
  }
}

function keep(key: string, value: string): void {
  try {
    localStorage.setItem(`convert-view ${key}`, value);
  } catch {
    // A browser that keeps nothing forgets it with the page.
  }
}

/** A value that outlives the page. */
function setting<T extends string>(key: string, first: T, known?: readonly T[]) {
  const stored = kept(key) as T | null;
  const value = signal<T>(stored !== null && (!known || known.includes(stored)) ? stored : first);
  return { value, set: (next: T) => (keep(key, next), (value.value = next)) };
}

export const theme = setting("theme", "system", ["system", "light", "dark"] as const);
export const reviewer = setting<string>("reviewer", "");
export const tileSize = setting("tiles", "medium", ["small", "medium", "large"] as const);
export const masksShown = setting("masks", "labels", ["none", "labels", "all"] as const);
export const outlines = setting("outlines", "on", ["on", "off"] as const);
export const numbers = setting("numbers", "on", ["on", "off"] as const);
export const opacity = setting<string>("opacity", "0.35");

/** Set while the reviewer's name is asked for. */
export const nameRequest = signal<((name: string | null) => void) | null>(null);

/** The reviewer's name; asked once, null when the question was refused. */
export async function reviewerName(): Promise<string | null> {
  if (reviewer.value.value) return reviewer.value.value;
  const name = await new Promise<string | null>((answer) => {
    nameRequest.value = answer;
  });
  nameRequest.value = null;
  if (name) reviewer.set(name);
  return name;
}
