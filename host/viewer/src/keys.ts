// Keys that work wherever the focus is, except where something is typed.
import { useLayoutEffect, useRef } from "preact/hooks";

/** Whether the event belongs to a field, an open dialog, or a button that was reached by keyboard and waits for its own key. */
export function isTaken(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return true;
  const target = event.target as HTMLElement;
  if (target.closest("dialog") || document.querySelector("dialog[open]")) return true;
  if (target.matches("textarea, select, [role=combobox]")) return true;
  if (target instanceof HTMLInputElement) {
    if (target.type === "range") return event.key.startsWith("Arrow") || ["Home", "End", "PageUp", "PageDown"].includes(event.key);
    if (target.type === "radio") return event.key.startsWith("Arrow") || event.key === " ";
    return target.type !== "checkbox" || event.key === " ";
  }
  return target.matches("button, a, summary") && (event.key === "Enter" || event.key === " ");
}

interface Handler {
  depth: number;
  handle: (event: KeyboardEvent) => boolean | void;
}
const handlers: Handler[] = [];

addEventListener("keydown", (event) => {
  if (!isTaken(event) && handlers.some(({ handle }) => handle(event))) event.preventDefault();
});

/** Offers every free key to `handle`, the innermost part of the page first; true means that the key is used up. */
export function useKeys(depth: number, handle: Handler["handle"]): void {
  const latest = useRef(handle);
  latest.current = handle;
  // As soon as the page shows what they act on.
  useLayoutEffect(() => {
    const mine: Handler = { depth, handle: (event) => latest.current(event) };
    handlers.push(mine);
    handlers.sort((a, b) => b.depth - a.depth);
    return () => void handlers.splice(handlers.indexOf(mine), 1);
  }, []);
}
