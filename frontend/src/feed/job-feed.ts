// Watching jobs: one interface, whoever tells of them.
import type { JobView } from "@/shared/api";
import type { Problem } from "@/shared/problems";

export interface Hearing<T> {
  hear(value: T): void;
  /** The feed tells nothing any more. */
  fail(problem: Problem): void;
}

export type Stop = () => void;

export interface JobFeed {
  /** One job; null: there is none, or none any more. */
  watch(jobId: string, hearing: Hearing<JobView | null>): Stop;
  /** One's own jobs, newest first; null: nobody lists them here. */
  watchMine(hearing: Hearing<readonly JobView[] | null>): Stop;
}

const FINAL = new Set(["completed", "failed", "canceled"]);

export const isFinal = (job: Pick<JobView, "status">): boolean => FINAL.has(job.status);

/** Whether news tells more than what is known: feeds overtake each other, and nothing leaves a final status. */
export function isNews(known: JobView | null | undefined, told: JobView): boolean {
  if (!known || known.job_id !== told.job_id) return true;
  if (isFinal(known) && !isFinal(told)) return false;
  return Date.parse(told.updated_at) >= Date.parse(known.updated_at);
}
