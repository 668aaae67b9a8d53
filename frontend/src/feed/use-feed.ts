import { useCallback, useEffect, useState } from "react";
import type { JobView } from "@/shared/api";
import type { Problem } from "@/shared/problems";
import { isNews, type JobFeed } from "./job-feed";

export interface Watched<T> {
  /** undefined: nothing was heard yet. */
  readonly value: T | undefined;
  readonly problem: Problem | undefined;
}

/** A job as it changes; null: there is none. `known` is what is known before the first news. */
export function useJob(feed: JobFeed, jobId: string | undefined, known?: JobView): Watched<JobView | null> {
  const [watched, setWatched] = useState<Watched<JobView | null> & { of?: string | undefined }>({ value: undefined, problem: undefined });
  useEffect(() => {
    if (!jobId) return;
    return feed.watch(jobId, {
      hear: (told) =>
        setWatched((before) => {
          const value = before.of === jobId && told && !isNews(before.value, told) ? before.value : told;
          return { of: jobId, value, problem: undefined };
        }),
      fail: (problem) => setWatched((before) => ({ of: jobId, value: before.of === jobId ? before.value : undefined, problem })),
    });
  }, [feed, jobId]);
  const current = watched.of === jobId ? watched : { value: undefined, problem: undefined };
  if (known && known.job_id === jobId && (current.value === undefined || (current.value && !isNews(known, current.value)))) {
    return { value: known, problem: current.problem };
  }
  return current;
}

/** One's own jobs, newest first; null: nobody lists them here. `again` listens anew. */
export function useMyJobs(feed: JobFeed): Watched<readonly JobView[] | null> & { readonly again: () => void } {
  const [tries, setTries] = useState(0);
  const [watched, setWatched] = useState<Watched<readonly JobView[] | null>>({ value: undefined, problem: undefined });
  useEffect(
    () =>
      feed.watchMine({
        hear: (value) => setWatched({ value, problem: undefined }),
        fail: (problem) => setWatched((before) => ({ value: before.value, problem })),
      }),
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- another try is asked for by its number
    [feed, tries],
  );
  const again = useCallback(() => setTries((count) => count + 1), []);
  return { ...watched, again };
}
