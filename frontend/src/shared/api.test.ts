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
  await api.submit({ perspective: "night-owl" }, "key-1", "00-1-2-01");
  expect(calls[0]?.url).toBe("https://api.example/jobs");
  expect(calls[0]?.init.body).toBe('{"perspective":"night-owl"}');
  expect(calls[0]?.init.headers).toMatchObject({ "Idempotency-Key": "key-1", traceparent: "00-1-2-01", Authorization: `Bearer ${ME}` });
});

test("where App Check is asked for, a caller comes with the page's token, and nobody else does", async () => {
  const calls = answering(Response.json({ job_id: "job-0001" }), Response.json({ models: [] }));
  const known = new Api("https://api.example", { ...identity, appToken: async () => "app-1" });
  await known.job("job-0001");
  await known.models();
  expect(calls.map(({ init }) => new Headers(init.headers).get("X-Firebase-AppCheck"))).toEqual(["app-1", null]);
});

test("a page that can't say who calls says that, not that nobody answers; without a network it is the network", async () => {
  const calls = answering();
  const unknown = new Api("https://api.example", { ...identity, appToken: () => Promise.reject(new Error("reCAPTCHA error")) });
  await expect(unknown.job("job-0001")).rejects.toMatchObject({ code: "unauthenticated", message: "reCAPTCHA error", isTransient: false });
  vi.spyOn(navigator, "onLine", "get").mockReturnValue(false);
  await expect(unknown.job("job-0001")).rejects.toMatchObject({ code: "offline" });
  expect(calls).toEqual([]);
});

test("a sign-in that never ends is given up when an answer would be, and at once when nobody waits any more", async () => {
  const soon = new AbortController();
  vi.spyOn(AbortSignal, "timeout").mockReturnValue(soon.signal);
  const silent = new Api("https://api.example", { ...identity, token: () => new Promise(() => {}) });
  const asked = silent.job("job-0001");
  soon.abort(new DOMException("signal timed out", "TimeoutError"));
  await expect(asked).rejects.toMatchObject({ code: "unauthenticated" });
  await expect(silent.job("job-0001", AbortSignal.abort())).rejects.toMatchObject({ name: "AbortError" });
});

test("whatever stands in an address names one job", async () => {
  const calls = answering(Response.json({}), Response.json({}));
  await api.job("%");
  await api.cancel("a/b?c");
  expect(calls.map(({ url }) => url)).toEqual(["https://api.example/jobs/%25", "https://api.example/jobs/a%2Fb%3Fc:cancel"]);
});

test("catalogues are asked for without saying who asks, so that they can be cached", async () => {
  const calls = answering(Response.json({ perspectives: [] }));
  await api.perspectives();
  expect(calls[0]?.init.headers).toEqual({});
});

test("a refusal names its code, every fault, and when to try again", async () => {
  const faults = [{ field: "seed", code: "less_than", message: "too large" }];
  answering(Response.json({ code: "quota_exceeded", detail: "Enough.", errors: faults }, { status: 429, headers: { "Retry-After": "30" } }));
  await expect(api.submit({ perspective: "x" }, "k", "")).rejects.toMatchObject({ code: "quota_exceeded", status: 429, retryAfterS: 30, faults });
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
