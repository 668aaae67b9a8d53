// Sending a wish so that it is granted once: the same words have the same Idempotency-Key until they were answered.
import type { Api, JobView, Wish } from "./api";
import { pause } from "./pause";
import { asProblem } from "./problems";
import { newTraceparent } from "./traceparent";

/** Before the second, third and fourth try. */
export const RETRIES_MS: readonly number[] = [500, 2_000, 5_000];

export interface Sending {
  submit(wish: Wish, key: string, traceparent: string): Promise<JobView>;
  pause(ms: number): Promise<void>;
  newKey(): string;
}

export const sendingTo = (api: Pick<Api, "submit">): Sending => ({ submit: api.submit, pause, newKey: () => crypto.randomUUID() });

/** Outlives a reload, so that what was sent and not answered is not sent twice. */
export type KeyStore = Pick<Storage, "getItem" | "setItem" | "removeItem">;
const UNANSWERED = "unanswered";

/** The job that grants a wish. Throws a Problem; a transient one only after several tries. */
export async function send(wish: Wish, to: Sending, keys: KeyStore): Promise<JobView> {
  const key = keyOf(wish, to.newKey, keys);
  const traceparent = newTraceparent(); // one trace a wish, however often it is sent
  for (let tries = 0; ; tries++) {
    try {
      const job = await to.submit(wish, key, traceparent);
      keys.removeItem(UNANSWERED);
      return job;
    } catch (error) {
      const problem = asProblem(error);
      const waitMs = RETRIES_MS[tries];
      if (!problem.isTransient && problem.status > 0) keys.removeItem(UNANSWERED); // the API has answered
      if (!problem.isTransient || waitMs === undefined) throw problem;
      await to.pause(problem.retryAfterS === null ? waitMs : Math.min(problem.retryAfterS * 1000, 10_000));
    }
  }
}

function keyOf(wish: Wish, newKey: () => string, keys: KeyStore): string {
  const body = JSON.stringify(wish);
  const kept = keys.getItem(UNANSWERED);
  if (kept?.endsWith(` ${body}`)) return kept.slice(0, kept.length - body.length - 1);
  const key = newKey();
  keys.setItem(UNANSWERED, `${key} ${body}`);
  return key;
}
