import { useCallback, useEffect, useState } from "react";
import { asProblem, type Problem } from "./problems";

export interface Fetched<T> {
  readonly value: T | undefined;
  readonly problem: Problem | undefined;
  readonly again: () => void;
}

/** What `fetching` answers; asked anew when it is another function, when `again` is called, and when a network is back after a failure. */
export function useFetched<T>(fetching: () => Promise<T>): Fetched<T> {
  const [state, setState] = useState<{ value: T | undefined; problem: Problem | undefined }>({ value: undefined, problem: undefined });
  const [tries, setTries] = useState(0);
  useEffect(() => {
    let isLatest = true;
    fetching().then(
      (value) => isLatest && setState({ value, problem: undefined }),
      (error: unknown) => isLatest && setState((before) => ({ ...before, problem: asProblem(error) })),
    );
    return () => {
      isLatest = false;
    };
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- another try is asked for by its number
  }, [fetching, tries]);
  const again = useCallback(() => setTries((count) => count + 1), []);
  const failed = state.problem !== undefined;
  useEffect(() => {
    if (!failed) return;
    addEventListener("online", again);
    return () => removeEventListener("online", again);
  }, [failed, again]);
  return { ...state, again };
}
