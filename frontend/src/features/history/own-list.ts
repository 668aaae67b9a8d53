// Films that this browser has wished for, newest first: for where nobody lists them, and at once where somebody does.
import type { JobView } from "@/shared/api";

const KEPT = "films";
const MOST = 50;

export function rememberedJobs(storage: Pick<Storage, "getItem"> = localStorage): JobView[] {
  try {
    const found: unknown = JSON.parse(storage.getItem(KEPT) ?? "[]");
    return Array.isArray(found) ? found.filter((each): each is JobView => typeof each?.job_id === "string" && typeof each?.status === "string") : [];
  } catch {
    return [];
  }
}

export function remember(job: JobView, storage: Pick<Storage, "getItem" | "setItem"> = localStorage): void {
  const others = rememberedJobs(storage);
  const at = others.findIndex((each) => each.job_id === job.job_id);
  const jobs = at >= 0 ? others.with(at, job) : [job, ...others];
  try {
    storage.setItem(KEPT, JSON.stringify(jobs.slice(0, MOST)));
  } catch {
    // a full storage loses no film: the API has it
  }
}

export function forget(jobId: string, storage: Pick<Storage, "getItem" | "setItem"> = localStorage): void {
  storage.setItem(KEPT, JSON.stringify(rememberedJobs(storage).filter((each) => each.job_id !== jobId)));
}
