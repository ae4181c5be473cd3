// What is shown instead of something that is not there yet, or will not come.

export function Failure({ line, retry }: { line: string; retry?: () => void }) {
  return (
    <div class="failure" role="alert">
      <p>{line}</p>
      {retry && <button type="button" onClick={retry}>Try again</button>}
    </div>
  );
}

export function Waiting({ what }: { what: string }) {
  return <p class="waiting" role="status">{what} …</p>;
}
