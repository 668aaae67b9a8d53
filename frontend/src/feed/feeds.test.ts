import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { JobView } from "@/shared/api";
import { offline, Problem } from "@/shared/problems";
import { aJob, VIDEO } from "@/testing/jobs";
import { type Hearing, isNews, type JobFeed } from "./job-feed";
import { JOB_EVERY_MS, pollingFeed, SLOWEST_MS } from "./polling-feed";
import { RETRY_MS, resilientFeed, type Teller } from "./resilient-feed";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

class Ear<T> implements Hearing<T> {
  readonly heard: T[] = [];
  readonly problems: Problem[] = [];
  hear = (value: T) => void this.heard.push(value);
  fail = (problem: Problem) => void this.problems.push(problem);
}

/** A feed that tells what a test tells it. */
class Told implements JobFeed {
  listeners = new Set<Hearing<JobView | null>>();
  begun = 0;
  watch = (_id: string, hearing: Hearing<JobView | null>) => {
    this.begun++;
    this.listeners.add(hearing);
    return () => void this.listeners.delete(hearing);
  };
  watchMine = () => () => {};
  tell = (job: JobView | null) => [...this.listeners].forEach((each) => each.hear(job));
  fail = () => [...this.listeners].forEach((each) => each.fail(offline()));
}

/** An API that gives one answer after another, and the last one for ever. */
function asked(...answers: (JobView | Problem)[]) {
  const calls: number[] = [];
  const job = async () => {
    calls.push(Date.now());
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (!answer || answer instanceof Problem) throw answer ?? offline();
    return answer;
  };
  return { calls, job, jobs: async () => [] };
}

test("polling tells each change until the job is final, and asks no more", async () => {
  const api = asked(aJob(), aJob({ status: "in_progress", progress: 40 }), aJob({ status: "completed", video: VIDEO }));
  const ear = new Ear<JobView | null>();
  pollingFeed(api).watch("job-0001", ear);
  await vi.advanceTimersByTimeAsync(10 * JOB_EVERY_MS);
  expect(ear.heard.map((job) => job?.status)).toEqual(["queued", "in_progress", "completed"]);
  expect(api.calls).toHaveLength(3);
});

test("an API that is down is asked ever more slowly, and at once when there is a network again", async () => {
  const api = asked(offline());
  const stop = pollingFeed(api).watch("job-0001", new Ear());
  await vi.advanceTimersByTimeAsync(200_000);
  const pauses = api.calls.slice(1).map((at, index) => at - (api.calls[index] ?? 0));
  expect(pauses.slice(0, 3)).toEqual([4_000, 8_000, 16_000]);
  expect(Math.max(...pauses)).toBe(SLOWEST_MS);
  const before = api.calls.length;
  dispatchEvent(new Event("online"));
  await vi.advanceTimersByTimeAsync(0);
  expect(api.calls).toHaveLength(before + 1);
  stop();
});

test("a job that is not there is told of as missing", async () => {
  const ear = new Ear<JobView | null>();
  pollingFeed(asked(new Problem("not_found", "", { status: 404 }))).watch("job-0001", ear);
  await vi.advanceTimersByTimeAsync(0);
  expect(ear.heard).toEqual([null]);
});

test("who has stopped listening hears nothing of an answer that comes late", async () => {
  const answers: ((job: JobView) => void)[] = [];
  const ear = new Ear<JobView | null>();
  const stop = pollingFeed({ job: () => new Promise((resolve) => void answers.push(resolve)), jobs: async () => [] }).watch("job-0001", ear);
  stop();
  answers.forEach((answer) => answer(aJob()));
  await vi.advanceTimersByTimeAsync(SLOWEST_MS);
  expect(ear.heard).toEqual([]);
});

test("while Firestore tells, nobody polls", async () => {
  const [firestore, polling, ear] = [new Told(), new Told(), new Ear<JobView | null>()];
  const tellers: (Teller | undefined)[] = [];
  resilientFeed(async () => firestore, polling, (teller) => tellers.push(teller)).watch("job-0001", ear);
  await vi.advanceTimersByTimeAsync(0);
  firestore.tell(aJob());
  expect(ear.heard).toHaveLength(1);
  expect(polling.begun).toBe(0);
  expect(tellers).toEqual(["firestore"]);
});

test("when Firestore fails, polling goes on; when Firestore is back, polling ends", async () => {
  const [firestore, polling, ear] = [new Told(), new Told(), new Ear<JobView | null>()];
  const tellers: (Teller | undefined)[] = [];
  resilientFeed(async () => firestore, polling, (teller) => tellers.push(teller)).watch("job-0001", ear);
  await vi.advanceTimersByTimeAsync(0);
  firestore.fail();
  polling.tell(aJob({ progress: 10 }));
  expect(ear.problems).toEqual([]);
  await vi.advanceTimersByTimeAsync(RETRY_MS);
  firestore.tell(aJob({ progress: 20 }));
  expect(polling.listeners.size).toBe(0);
  expect(ear.heard.map((job) => job?.progress)).toEqual([10, 20]);
  expect(tellers).toEqual(["polling", "firestore"]);
});

test("what is not there is no fault of Firestore's, though its rules refuse to say so", async () => {
  const [firestore, polling, ear] = [new Told(), new Told(), new Ear<JobView | null>()];
  const tellers: (Teller | undefined)[] = [];
  const stop = resilientFeed(async () => firestore, polling, (teller) => tellers.push(teller)).watch("job-0001", ear);
  await vi.advanceTimersByTimeAsync(0);
  firestore.fail();
  polling.tell(null);
  expect(ear.heard).toEqual([null]);
  expect(tellers).toEqual([]);
  stop();
});

test("where Firestore can't be loaded at all, the page polls; what polling can't reach is told", async () => {
  const [polling, ear] = [new Told(), new Ear<JobView | null>()];
  const stop = resilientFeed(() => Promise.reject(new Error("no chunk")), polling).watch("job-0001", ear);
  await vi.advanceTimersByTimeAsync(0);
  polling.fail();
  expect(ear.problems.map((problem) => problem.code)).toEqual(["offline"]);
  stop();
  expect(polling.listeners.size).toBe(0);
});

test("when nobody listens any more, nobody tells", async () => {
  const [polling, ear] = [new Told(), new Ear<JobView | null>()];
  const tellers: (Teller | undefined)[] = [];
  const stop = resilientFeed(() => Promise.reject(new Error("no chunk")), polling, (teller) => tellers.push(teller)).watch("job-0001", ear);
  await vi.advanceTimersByTimeAsync(0);
  polling.tell(aJob());
  stop();
  expect(tellers).toEqual(["polling", undefined]);
});

test("an address that Firestore refuses to read is asked of the API", async () => {
  const [firestore, polling, ear] = [new Told(), new Told(), new Ear<JobView | null>()];
  firestore.watch = () => {
    throw new Error("jobs/a/b has an odd number of segments");
  };
  const stop = resilientFeed(async () => firestore, polling).watch("a/b", ear);
  await vi.advanceTimersByTimeAsync(0);
  polling.tell(null);
  expect(ear.heard).toEqual([null]);
  stop();
});

test("older news and news of an ended job from a slower feed are none", () => {
  const early = aJob({ updated_at: "2026-11-26T12:00:01Z" });
  const late = aJob({ status: "in_progress", updated_at: "2026-11-26T12:00:05Z" });
  const ended = aJob({ status: "canceled", updated_at: "2026-11-26T12:00:04Z" });
  expect(isNews(early, late)).toBe(true);
  expect(isNews(late, early)).toBe(false);
  expect(isNews(ended, late)).toBe(false);
  expect(isNews(ended, aJob({ job_id: "job-0002" }))).toBe(true);
});
