// A class is chosen by typing a part of its name (a combobox after the ARIA practices).
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { className, run } from "../store.ts";
import { searchClasses } from "./class-search.ts";

const OFFERED = 40;

interface Props {
  label: string;
  value: number | null;
  onChange: (index: number | null) => void;
  /** Once chosen, the field is empty again, for the next. */
  forgets?: boolean;
  focused?: boolean;
  /** Where no dialog around it listens. */
  onEscape?: () => void;
}

export function ClassPicker({ label, value, onChange, forgets, focused, onEscape }: Props) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const [text, setText] = useState<string | null>(null);
  const [active, setActive] = useState(0);
  const classes = run.value?.classes ?? [];
  const offered = text === null ? [] : searchClasses(classes, text, OFFERED);
  const open = text !== null;

  useEffect(() => {
    if (focused) input.current?.focus();
  }, []);
  useEffect(() => {
    list.current?.children[active]?.scrollIntoView({ block: "nearest" });
  }, [active, open]);

  const choose = (index: number | null) => {
    setText(forgets && index !== null ? "" : null);
    setActive(0);
    onChange(index);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step !== undefined) {
      event.preventDefault();
      if (!open) setText("");
      else setActive(Math.min(Math.max(active + step, 0), Math.max(0, offered.length - 1)));
    } else if (event.key === "Enter" && open) {
      event.preventDefault();
      const chosen = offered[active];
      if (text.trim() === "" && !forgets) choose(null);
      else if (chosen !== undefined) choose(chosen);
    } else if (event.key === "Escape" && onEscape) {
      event.preventDefault();
      event.stopPropagation();
      onEscape();
    } else if (event.key === "Escape" && open && !focused) {
      event.preventDefault();
      event.stopPropagation();
      setText(null);
    }
  };
  return (
    <div class="picker">
      <label for={id}>{label}</label>
      <div class="picker-field">
        <input ref={input} id={id} type="text" role="combobox" autofocus={focused ?? false} autocomplete="off" spellcheck={false} placeholder="any" aria-autocomplete="list"
          aria-expanded={open} aria-controls={`${id}-list`} aria-activedescendant={open && offered.length > 0 ? `${id}-${active}` : undefined}
          value={text ?? (value === null ? "" : className(value))}
          onFocus={(event) => event.currentTarget.select()}
          onClick={() => text === null && setText("")}
          onInput={(event) => { setText(event.currentTarget.value); setActive(0); }}
          onBlur={() => setText(null)}
          onKeyDown={onKeyDown} />
        {value !== null && <button type="button" class="icon" aria-label={`Clear ${label}`} onClick={() => choose(null)}>✕</button>}
      </div>
      <ul ref={list} id={`${id}-list`} role="listbox" aria-label={label} hidden={!open || offered.length === 0}>
        {offered.map((index, position) => (
          <li key={index} id={`${id}-${position}`} role="option" aria-selected={position === active}
            onPointerDown={(event) => event.preventDefault()} onClick={() => choose(index)}>
            <span class="name">{className(index)}</span> <span class="number">{index}</span>
          </li>
        ))}
      </ul>
      {open && offered.length === 0 && <p class="hint" role="status">No class has “{text}” in its name.</p>}
    </div>
  );
}
