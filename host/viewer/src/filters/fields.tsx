// The form fields of the filters.
import { useId } from "preact/hooks";
import type { Range } from "../address.ts";

export function Choice<T extends string>({ label, value, options, onChange, hint }: {
  label: string; value: T; options: readonly (readonly [value: T, text: string])[]; onChange: (value: T) => void; hint?: string;
}) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value as T)} aria-describedby={hint ? `${id}-hint` : undefined}>
        {options.map(([option, text]) => <option key={option} value={option}>{text}</option>)}
      </select>
      {hint && <p class="hint" id={`${id}-hint`}>{hint}</p>}
    </div>
  );
}

export function TextField({ label, value, onChange, placeholder }: { label: string; value: string; onChange: (value: string) => void; placeholder?: string }) {
  const id = useId();
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <input id={id} type="text" value={value} placeholder={placeholder} autocomplete="off" spellcheck={false} onChange={(event) => onChange(event.currentTarget.value.trim())} />
    </div>
  );
}

/** Two numbers; nothing is chosen until one of them is typed. */
export function RangeField({ label, value, whole, onChange }: {
  label: string; value: Range | undefined; whole: Range; onChange: (value: Range | undefined) => void;
}) {
  const [least, most] = whole;
  const step = Number.isInteger(most) && most > 1 ? 1 : 0.01;
  const change = (place: 0 | 1, text: string) => {
    const typed = Math.min(Math.max(Number(text), least), most);
    const next: Range = [value?.[0] ?? least, value?.[1] ?? most];
    next[place] = text === "" || Number.isNaN(typed) ? whole[place] : typed;
    if (next[0] > next[1]) next[place === 0 ? 1 : 0] = next[place];
    onChange(next[0] === least && next[1] === most ? undefined : next);
  };
  return (
    <fieldset class="field range">
      <legend>{label}</legend>
      <input type="number" aria-label={`${label}, from`} placeholder="from" min={least} max={most} step={step} value={value?.[0] ?? ""} onChange={(event) => change(0, event.currentTarget.value)} />
      <span aria-hidden="true">to</span>
      <input type="number" aria-label={`${label}, to`} placeholder="to" min={least} max={most} step={step} value={value && value[1] !== most ? value[1] : ""} onChange={(event) => change(1, event.currentTarget.value)} />
    </fieldset>
  );
}

export function Check({ label, checked, disabled, onChange }: { label: string; checked: boolean; disabled?: boolean; onChange: (checked: boolean) => void }) {
  return (
    <label class="check">
      <input type="checkbox" checked={checked} disabled={disabled} onChange={(event) => onChange(event.currentTarget.checked)} /> {label}
    </label>
  );
}
