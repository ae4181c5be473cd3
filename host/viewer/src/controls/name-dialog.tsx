// Asks once who reviews; the name stays in this browser.
import { useEffect, useId, useRef } from "preact/hooks";
import { Modal } from "./modal.tsx";

export function NameDialog({ answer, first }: { answer: (name: string | null) => void; first: string }) {
  const id = useId();
  const input = useRef<HTMLInputElement>(null);
  useEffect(() => input.current?.select(), []);
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    const name = input.current!.value.trim();
    if (name) answer(name);
  };
  return (
    <Modal title="Who reviews?" onClose={() => answer(null)} className="small">
      <form onSubmit={onSubmit}>
        <label for={id}>Your name</label>
        <input ref={input} id={id} type="text" autofocus autocomplete="nickname" defaultValue={first} maxLength={60} required />
        <p class="hint">It is written beside each of your judgements, and asked once in this browser.</p>
        <button type="submit" class="primary">Begin</button>
      </form>
    </Modal>
  );
}
