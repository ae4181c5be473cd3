// The judgements as buttons, each with its key.
import { ClassPicker } from "../controls/class-picker.tsx";
import { Modal } from "../controls/modal.tsx";
import type { ReviewState } from "../contract.ts";

interface Props {
  state: ReviewState;
  who: string;
  focused: string;
  pending: boolean;
  onAccept: () => void;
  onReject: () => void;
  onAdd: () => void;
  onUndo: () => void;
  onComplete: () => void;
}

export function Actions({ state, who, focused, pending, onAccept, onReject, onAdd, onUndo, onComplete }: Props) {
  const isDone = state.complete_by.includes(who);
  return (
    <div class="actions" role="group" aria-label="Review">
      <button type="button" class="reject" title={`Reject ${focused}`} onClick={onReject}>Reject <kbd>r</kbd></button>
      <button type="button" class="accept" title={`Accept ${focused}`} onClick={onAccept}>Accept <kbd>a</kbd></button>
      <button type="button" onClick={onAdd}>Add <kbd>n</kbd></button>
      <button type="button" onClick={onUndo} disabled={pending}>Undo <kbd>u</kbd></button>
      <button type="button" class="primary" onClick={onComplete}>{isDone ? "Complete, next" : "Complete"} <kbd>Space</kbd></button>
    </div>
  );
}

export function AddLabel({ onAdd, onClose }: { onAdd: (classIndex: number) => void; onClose: () => void }) {
  const choose = (index: number | null) => {
    if (index === null) return;
    onAdd(index);
    onClose();
  };
  return (
    <Modal title="Add a label" onClose={onClose} className="small">
      <ClassPicker label="Class that is in the image" value={null} onChange={choose} focused forgets />
    </Modal>
  );
}
