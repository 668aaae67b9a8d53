// How long it will take yet: as the API expects, or by how fast it has gone so far. Says nothing before it can know.
import type { Eta, JobView } from "@/shared/api";

/** What the API expected, and when it was asked, in ms since the epoch. */
export interface Expected {
  readonly eta: Eta;
  readonly askedAt: number;
}

/** The same some time later; null: it is later than the API expected of nine in ten. */
export function left({ eta, askedAt }: Expected, now: number): Eta | null {
  const passedS = Math.max(0, (now - askedAt) / 1000);
  if (passedS >= eta.high) return null;
  const later = (seconds: number) => Math.max(1, Math.round(seconds - passedS));
  return { seconds: later(eta.seconds), low: later(eta.low), high: later(eta.high) };
}

/** Below this, loading a model says nothing about drawing. */
const LEAST_PERCENT = 10;

/** Seconds to go; null: nobody can know yet. */
export function secondsToGo(job: Pick<JobView, "status" | "progress" | "started_at">, now: number): number | null {
  if (job.status !== "in_progress" || !job.started_at || job.progress < LEAST_PERCENT) return null;
  const elapsedS = (now - Date.parse(job.started_at)) / 1000;
  if (elapsedS <= 0) return null;
  return Math.max(1, Math.round((elapsedS * (100 - job.progress)) / job.progress));
}
