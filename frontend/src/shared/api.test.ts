import { afterEach, expect, test, vi } from "vitest";
import { Api } from "./api";
import { identityOf, subjectOf } from "./identity";

const ME = `e30.${btoa(JSON.stringify({ sub: "me" })).replaceAll("=", "")}.`;
const identity = identityOf({ api: "", project: "p", firestoreEmulator: null, firebase: null, appCheckSiteKey: null, localToken: ME });
const api = new Api("https://api.example", identity);

/** Answers every call so, and keeps the calls. */
function answering(...answers: (Response | Error)[]) {
  const calls: { url: string; init: RequestInit }[] = [];
  vi.stubGlobal("fetch", async (url: string, init: RequestInit) => {
    calls.push({ url, init });
    const answer = answers.shift();
    if (!answer || answer instanceof Error) throw answer ?? new TypeError("no network");
    return answer;
  });
  return calls;
}
afterEach(() => vi.unstubAllGlobals());

test("a wish goes out with its key and with who wishes", async () => {
  const calls = answering(Response.json({ job_id: "job-0001" }, { status: 202 }));
  await api.submit({ perspective: "night-owl" }, "key-1");
  expect(calls[0]?.url).toBe("https://api.example/jobs");
  expect(calls[0]?.init.body).toBe('{"perspective":"night-owl"}');
  expect(calls[0]?.init.headers).toMatchObject({ "Idempotency-Key": "key-1", Authorization: `Bearer ${ME}` });
});

test("where App Check is asked for, a caller comes with the page's token, and nobody else does", async () => {
  const calls = answering(Response.json({ job_id: "job-0001" }), Response.json({ models: [] }));
  const known = new Api("https://api.example", { ...identity, appToken: async () => "app-1" });
  await known.job("job-0001");
  await known.models();
  expect(calls.map(({ init }) => new Headers(init.headers).get("X-Firebase-AppCheck"))).toEqual(["app-1", null]);
});

test("a wish begins a trace, and each its own", async () => {
  const calls = answering(Response.json({ job_id: "job-0001" }, { status: 202 }), Response.json({ job_id: "job-0002" }, { status: 202 }));
  await api.submit({ perspective: "night-owl" }, "key-1");
  await api.submit({ perspective: "night-owl" }, "key-2");
  const [one, other] = calls.map(({ init }) => (init.headers as Record<string, string>)["traceparent"]);
  expect(one).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  expect(other).not.toBe(one);
});

test("catalogues are asked for without saying who asks, so that they can be cached", async () => {
  const calls = answering(Response.json({ perspectives: [] }));
  await api.perspectives();
  expect(calls[0]?.init.headers).toEqual({});
});

test("a refusal names its code, every fault, and when to try again", async () => {
  const faults = [{ field: "seed", code: "less_than", message: "too large" }];
  answering(Response.json({ code: "quota_exceeded", detail: "Enough.", errors: faults }, { status: 429, headers: { "Retry-After": "30" } }));
  await expect(api.submit({ perspective: "x" }, "k")).rejects.toMatchObject({ code: "quota_exceeded", status: 429, retryAfterS: 30, faults });
});

test("nobody answering is being offline; a page instead of JSON is unreadable", async () => {
  answering(new TypeError("Failed to fetch"), new Response("<html>", { status: 200 }), new Response("<html>", { status: 502 }));
  await expect(api.models()).rejects.toMatchObject({ code: "offline" });
  await expect(api.models()).rejects.toMatchObject({ code: "unreadable" });
  await expect(api.models()).rejects.toMatchObject({ status: 502, isTransient: true });
});

test("where there is no gallery and no list of jobs, there is none to show", async () => {
  answering(Response.json({ code: "not_found" }, { status: 404 }), Response.json({ code: "not_found" }, { status: 404 }));
  expect(await api.gallery()).toEqual([]);
  expect(await api.jobs()).toBeNull();
});

test("who is here is read from the token, and a broken one names nobody", () => {
  expect(subjectOf(ME)).toBe("me");
  expect(subjectOf("broken")).toBeNull();
});
