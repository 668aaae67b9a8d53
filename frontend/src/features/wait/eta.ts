// How long it will take yet, by how fast it has gone so far. Says nothing before it can know.
import type { JobView } from "@/shared/api";

/** Below this, loading a model says nothing about drawing. */
const LEAST_PERCENT = 10;

/** Seconds to go; null: nobody can know yet. */
export function secondsToGo(job: Pick<JobView, "status" | "progress" | "started_at">, now: number): number | null {
  if (job.status !== "in_progress" || !job.started_at || job.progress < LEAST_PERCENT) return null;
  const elapsedS = (now - Date.parse(job.started_at)) / 1000;
  if (elapsedS <= 0) return null;
  return Math.max(1, Math.round((elapsedS * (100 - job.progress)) / job.progress));
}
