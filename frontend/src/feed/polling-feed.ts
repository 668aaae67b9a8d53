// The fallback: asks the API again and again, more slowly while it does not answer, and not while nobody looks.
import type { Api } from "@/shared/api";
import { pause } from "@/shared/pause";
import { asProblem } from "@/shared/problems";
import { isFinal, type JobFeed } from "./job-feed";

/** The API's own advice: progress is written every two seconds. */
export const JOB_EVERY_MS = 2_000;
export const MINE_EVERY_MS = 6_000;
export const SLOWEST_MS = 30_000;

export type Asking = Pick<Api, "job" | "jobs">;

export function pollingFeed(api: Asking): JobFeed {
  return {
    watch: (jobId, hearing) =>
      repeat(JOB_EVERY_MS, async (signal) => {
        try {
          const job = await api.job(jobId, signal);
          if (!signal.aborted) hearing.hear(job);
          return isFinal(job) ? "done" : "well";
        } catch (error) {
          if (signal.aborted) return "done";
          const problem = asProblem(error);
          if (problem.status === 404) {
            hearing.hear(null);
            return "done";
          }
          hearing.fail(problem);
          return "ill";
        }
      }),
    watchMine: (hearing) =>
      repeat(MINE_EVERY_MS, async (signal) => {
        try {
          const jobs = await api.jobs(signal);
          if (!signal.aborted) hearing.hear(jobs);
          return jobs === null ? "done" : "well";
        } catch (error) {
          if (signal.aborted) return "done";
          hearing.fail(asProblem(error));
          return "ill";
        }
      }),
  };
}

/** Asks at once and again after each answer, until it is done or stopped. */
export function repeat(everyMs: number, ask: (signal: AbortSignal) => Promise<"done" | "well" | "ill">): () => void {
  const stopping = new AbortController();
  const { signal } = stopping;
  void (async () => {
    let waitMs = everyMs;
    while (!signal.aborted) {
      const outcome = await ask(signal);
      if (outcome === "done") return;
      waitMs = outcome === "well" ? everyMs : Math.min(waitMs * 2, SLOWEST_MS);
      await pause(waitMs, signal);
      await seen(signal);
    }
  })();
  return () => stopping.abort();
}

function seen(signal: AbortSignal): Promise<void> {
  if (document.visibilityState !== "hidden") return Promise.resolve();
  return new Promise((resolve) => {
    document.addEventListener("visibilitychange", () => resolve(), { once: true, signal });
    signal.addEventListener("abort", () => resolve());
  });
}
