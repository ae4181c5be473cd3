// Keys that work wherever the focus is, except where something is typed.
import { useEffect, useRef } from "preact/hooks";

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

/** Calls `handle` for every free key; true means that the key is used up. */
export function useKeys(handle: (event: KeyboardEvent) => boolean | void): void {
  const latest = useRef(handle);
  latest.current = handle;
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!isTaken(event) && latest.current(event)) event.preventDefault();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
}
