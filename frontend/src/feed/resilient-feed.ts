// Firestore first; polling while it does not answer; Firestore again when it does.
import type { Problem } from "@/shared/problems";
import type { Hearing, JobFeed, Stop } from "./job-feed";

export type Teller = "firestore" | "polling" | "offline";

/** How long polling goes on before Firestore is tried again. */
export const RETRY_MS = 30_000;

/** `first` is asked for lazily and may fail; `said` hears who tells, undefined: nobody is asked any more. */
export function resilientFeed(first: () => Promise<JobFeed>, fallback: JobFeed, said: (teller: Teller | undefined) => void = () => {}): JobFeed {
  const watching = <T>(start: (feed: JobFeed, hearing: Hearing<T>) => Stop, hearing: Hearing<T>): Stop => {
    let ended = false;
    let stopFirst: Stop | undefined;
    let stopFallback: Stop | undefined;
    let retry: ReturnType<typeof setTimeout> | undefined;

    const endFallback = () => {
      stopFallback?.();
      stopFallback = undefined;
    };
    const fallBack = () => {
      stopFirst?.();
      stopFirst = undefined;
      if (ended) return;
      clearTimeout(retry);
      retry = setTimeout(begin, RETRY_MS);
      stopFallback ??= start(fallback, {
        hear: (value) => {
          if (value !== null) said("polling"); // of what is not there, its rules let Firestore say nothing
          hearing.hear(value);
        },
        fail: (problem: Problem) => {
          said("offline");
          hearing.fail(problem);
        },
      });
    };
    const begin = () => {
      void first()
        .then((feed) => {
          if (ended) return;
          stopFirst = start(feed, {
            hear: (value) => {
              said("firestore");
              endFallback();
              hearing.hear(value);
            },
            fail: fallBack,
          });
        })
        .catch(fallBack); // an address that names no document is refused at once
    };
    begin();
    return () => {
      ended = true;
      clearTimeout(retry);
      stopFirst?.();
      endFallback();
      said(undefined);
    };
  };
  return {
    watch: (jobId, hearing) => watching((feed, told) => feed.watch(jobId, told), hearing),
    watchMine: (hearing) => watching((feed, told) => feed.watchMine(told), hearing),
  };
}
