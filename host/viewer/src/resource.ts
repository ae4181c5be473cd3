// What is asked of the server while something is shown: aborted when it is not shown any more.
import { useCallback, useEffect, useState } from "preact/hooks";
import { getJson, isAbort, lineOf } from "./api.ts";

export interface Resource<T> {
  data: T | null;
  error: string | null;
  loading: boolean;
  retry: () => void;
}

/** The answer to `path`; while another path loads, the last answer stays in sight. */
export function useResource<T>(path: string | null, load: (path: string, signal: AbortSignal) => Promise<T> = getJson<T>): Resource<T> {
  const [state, setState] = useState<{ path: string | null; data: T | null; error: string | null; loading: boolean }>({
    path: null, data: null, error: null, loading: true,
  });
  const [attempt, setAttempt] = useState(0);
  useEffect(() => {
    if (path === null) return;
    const controller = new AbortController();
    setState((last) => ({ ...last, loading: true, error: null }));
    load(path, controller.signal).then(
      (data) => !controller.signal.aborted && setState({ path, data, error: null, loading: false }),
      (error: unknown) => {
        if (!isAbort(error) && !controller.signal.aborted) setState({ path, data: null, error: lineOf(error), loading: false });
      },
    );
    return () => controller.abort();
  }, [path, attempt]);
  const retry = useCallback(() => setAttempt((count) => count + 1), []);
  return { data: state.data, error: state.error, loading: state.loading || state.path !== path, retry };
}
