// The line above the image: where one is, the tools, and how masks are painted.
import { masksShown, numbers, opacity, outlines, run } from "../store.ts";
import type { Tool } from "./stage.tsx";

const TOOLS: readonly (readonly [tool: Tool, name: string, key: string])[] = [
  ["look", "Look", "Esc"], ["box", "Box", "b"], ["polygon", "Polygon", "p"], ["point", "Point", "x"],
];

export function toolsOffered(): Tool[] {
  const known = run.value!;
  if (known.read_only) return ["look"];
  return ["look", ...(known.predict ? (["box", "polygon"] as const) : []), ...(known.propose ? (["point"] as const) : [])];
}

export function Tools({ tool, onTool }: { tool: Tool; onTool: (tool: Tool) => void }) {
  const offered = toolsOffered();
  if (offered.length < 2) return null;
  return (
    <div class="segments" role="group" aria-label="Draw a region">
      {TOOLS.filter(([name]) => offered.includes(name)).map(([name, text, key]) => (
        <button key={name} type="button" aria-pressed={tool === name} onClick={() => onTool(name)}>{text} <kbd>{key}</kbd></button>
      ))}
    </div>
  );
}

export function MaskSettings() {
  return (
    <div class="mask-settings">
      <div class="segments" role="group" aria-label="Masks shown">
        {([["labels", "Labels"], ["all", "All"], ["none", "None"]] as const).map(([value, text]) => (
          <button key={value} type="button" aria-pressed={masksShown.value.value === value} onClick={() => masksShown.set(value)}>{text}</button>
        ))}
      </div>
      <label class="slide">Fill
        <input type="range" min="0" max="0.9" step="0.05" value={opacity.value.value} onInput={(event) => opacity.set(event.currentTarget.value)} />
      </label>
      <label class="check"><input type="checkbox" checked={outlines.value.value === "on"} onChange={(event) => outlines.set(event.currentTarget.checked ? "on" : "off")} /> Outlines</label>
      <label class="check"><input type="checkbox" checked={numbers.value.value === "on"} onChange={(event) => numbers.set(event.currentTarget.checked ? "on" : "off")} /> Numbers</label>
    </div>
  );
}
