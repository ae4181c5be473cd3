// All keys, and what the words mean.
import { Modal } from "./controls/modal.tsx";
import { reviewer } from "./store.ts";

const KEYS: readonly (readonly [heading: string, keys: readonly (readonly [keys: string, what: string])[]])[] = [
  ["Reviewing an image", [
    ["a", "accept the label: its class is in the image"], ["r", "reject the label: its class is not"], ["↑ ↓ or 1 … 9", "go to another label"], ["n", "add a label that is missing"],
    ["m", "mark the mask in focus as bad, or good again"], ["Space or c", "complete: all that is shown is right and nothing is missing; the next image comes"], ["u", "undo your last judgement"],
  ]],
  ["Looking at an image", [
    ["→ or j", "next image"], ["← or k", "previous image"], ["+ − 0", "zoom in, out, to fit; the wheel and two fingers do it too"], ["Shift + arrows", "move the image; dragging does it too"],
    ["[ ]", "go through the regions"], ["h", "masks of the labels, all masks, none"], ["Esc", "back to where you were"],
  ]],
  ["Drawing a region", [
    ["b", "a box: drag it"], ["p", "a polygon: click its corners; Enter closes it"], ["x", "a point: masks are offered for what is there"],
    ["Enter or 1 … 9, 0", "accept the first class, or the one with that number"], ["↑ ↓", "another of the masks offered"], ["Esc", "drop it"],
  ]],
  ["Gallery", [["arrows, Page, Home, End", "go to another tile"], ["Enter", "show it large"], ["?", "this help"]]],
];

export function Help({ onClose }: { onClose: () => void }) {
  return (
    <Modal title="Keys" onClose={onClose} className="help">
      <div class="help-columns">
        {KEYS.map(([heading, keys]) => (
          <section key={heading}>
            <h3>{heading}</h3>
            <dl class="keys">
              {keys.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}
            </dl>
          </section>
        ))}
      </div>
      <p class="hint">
        Labels are the classes above the threshold τ. Labels of a completed image that nobody judged count as accepted.
        {reviewer.value.value && <> You review as <b>{reviewer.value.value}</b>. <button type="button" class="link" onClick={() => reviewer.set("")}>Forget the name</button></>}
      </p>
    </Modal>
  );
}
