import { expect, test } from "vitest";
import { aJob } from "@/testing/jobs";
import type { JobView, Wish } from "./api";
import { offline, Problem } from "./problems";
import { RETRIES_MS, send } from "./submission";

/** A door that answers as it is told, one answer for each call. */
class Door {
  readonly keys: string[] = [];
  readonly traces: string[] = [];
  readonly pauses: number[] = [];
  #made = 0;
  readonly #answers: (JobView | Problem)[];
  constructor(...answers: (JobView | Problem)[]) {
    this.#answers = answers;
  }
  submit = async (_wish: Wish, key: string, traceparent: string) => {
    this.keys.push(key);
    this.traces.push(traceparent);
    const answer = this.#answers.shift();
    if (!answer || answer instanceof Problem) throw answer ?? offline();
    return answer;
  };
  pause = async (ms: number) => void this.pauses.push(ms);
  newKey = () => `key-${++this.#made}`;
}

class Kept implements Pick<Storage, "getItem" | "setItem" | "removeItem"> {
  readonly #values = new Map<string, string>();
  getItem = (name: string) => this.#values.get(name) ?? null;
  setItem = (name: string, value: string) => void this.#values.set(name, value);
  removeItem = (name: string) => void this.#values.delete(name);
}

const WISH: Wish = { perspective: "curious-cat", prompt: "a moth" };

test("a wish whose answer was lost is sent again with the same key", async () => {
  const door = new Door(offline(), aJob());
  expect((await send(WISH, door, new Kept())).job_id).toBe("job-0001");
  expect(door.keys).toEqual(["key-1", "key-1"]);
  expect(door.pauses).toEqual([RETRIES_MS[0]]);
});

test("a wish begins one trace, however often it is sent, and each wish its own", async () => {
  const door = new Door(offline(), aJob(), aJob());
  await send(WISH, door, new Kept());
  await send(WISH, door, new Kept());
  const [first, again, other] = door.traces;
  expect(first).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  expect(again).toBe(first);
  expect(other).not.toBe(first);
});

test("a wish that may have arrived keeps its key while the page can't say who sends it", async () => {
  const kept = new Kept();
  await expect(send(WISH, new Door(offline(), new Problem("unauthenticated", "")), kept)).rejects.toMatchObject({ code: "unauthenticated" });
  const later = new Door(aJob());
  await send(WISH, { ...later, newKey: () => "another" }, kept);
  expect(later.keys).toEqual(["key-1"]);
});

test("after the last try the problem is told, and the same words keep their key even over a reload", async () => {
  const kept = new Kept();
  await expect(send(WISH, new Door(), kept)).rejects.toMatchObject({ code: "offline" });
  const later = new Door(aJob());
  await send(WISH, { ...later, newKey: () => "another" }, kept);
  expect(later.keys).toEqual(["key-1"]);
});

test("other words have another key", async () => {
  const kept = new Kept();
  await expect(send(WISH, new Door(), kept)).rejects.toThrow();
  const later = new Door(aJob());
  await send({ ...WISH, prompt: "a bird" }, { ...later, newKey: () => "another" }, kept);
  expect(later.keys).toEqual(["another"]);
});

test("the same words after an answer are a new wish", async () => {
  const door = new Door(aJob(), aJob({ job_id: "job-0002" }));
  const kept = new Kept();
  await send(WISH, door, kept);
  await send(WISH, door, kept);
  expect(door.keys).toEqual(["key-1", "key-2"]);
});

test("what is refused is not sent again", async () => {
  const door = new Door(new Problem("quota_exceeded", "Enough.", { status: 429, retryAfterS: 60 }));
  await expect(send(WISH, door, new Kept())).rejects.toMatchObject({ code: "quota_exceeded", retryAfterS: 60 });
  expect(door.keys).toHaveLength(1);
});

test("a house that is full, or has spent its budget, is not asked again", async () => {
  for (const code of ["overloaded", "budget_spent"] as const) {
    const door = new Door(new Problem(code, "Later.", { status: 503, retryAfterS: 30 }));
    await expect(send(WISH, door, new Kept())).rejects.toMatchObject({ code, retryAfterS: 30 });
    expect(door.keys).toHaveLength(1);
  }
});

test("a service that says when it is back is asked then", async () => {
  const door = new Door(new Problem("unavailable", "", { status: 503, retryAfterS: 5 }), aJob());
  await send(WISH, door, new Kept());
  expect(door.pauses).toEqual([5_000]);
});
