import { expect, test } from "vitest";
import { asTimes, factsOf } from "@/shared/facts";
import { de } from "@/shared/i18n/de";
import { en } from "@/shared/i18n/en";
import { parseRoute, pathOf, type Route } from "@/shared/route";
import { aJob, aPerspective } from "@/testing/jobs";
import { found, kindsOf } from "./choose/finding";
import { forget, remember, rememberedJobs } from "./history/own-list";
import { curvedScreen, floorLines, RADIUS_M } from "./immersive/curved-screen";
import { AHEAD, turned, turnedByKey, viewMatrix } from "./immersive/looking";
import { anotherTake, draftOf, EMPTY, MAX_PROMPT_CHARS, ownTheme, readDraft, wishOf } from "./say/draft";
import { correction } from "./see/in-step";
import { secondsToGo } from "./wait/eta";

test("a wish holds only what was said", () => {
  expect(wishOf(EMPTY)).toEqual({ perspective: "curious-cat" });
  expect(wishOf({ ...EMPTY, prompt: " a moth ", theme: "first-snow", seed: "0", seconds: "2.5", size: "256x256", model: "pocket" })).toEqual({
    perspective: "curious-cat",
    prompt: "a moth",
    theme: "first-snow",
    seed: 0,
    model: "pocket",
    size: "256x256",
    seconds: 2.5,
  });
});

test("a theme of one's own adds its words to what was typed, or to a scene, and is never longer than a prompt may be", () => {
  const known = { own: [{ id: "t1", name: "Dusk", words: "violet dusk" }], scenes: ["a ball of yarn"] };
  const draft = { ...EMPTY, theme: ownTheme("t1") };
  expect(wishOf({ ...draft, prompt: "a moth" }, known)).toEqual({ perspective: "curious-cat", prompt: "a moth, violet dusk" });
  expect(wishOf(draft, known)).toEqual({ perspective: "curious-cat", prompt: "a ball of yarn, violet dusk" });
  expect(wishOf({ ...draft, prompt: "m".repeat(MAX_PROMPT_CHARS) }, known).prompt).toHaveLength(MAX_PROMPT_CHARS);
});

test("another take is the same wish with another seed", () => {
  const request = aJob().request;
  expect(request && anotherTake(request, () => 99)).toEqual({ perspective: "curious-cat", seed: 99, model: "pocket", size: "256x256", seconds: 2 });
});

test("what was wished can be changed, and its seed is drawn anew", () => {
  const request = aJob().request;
  expect(request && draftOf({ ...request, prompt: "a moth" })).toEqual({ ...EMPTY, prompt: "a moth", model: "pocket", size: "256x256", seconds: "2" });
});

test("whatever a tab has kept is a draft", () => {
  expect(readDraft(null)).toEqual(EMPTY);
  expect(readDraft("{")).toEqual(EMPTY);
  expect(readDraft('{"prompt": "a moth", "seed": 3, "other": 1}')).toEqual({ ...EMPTY, prompt: "a moth" });
});

test("creatures are found by every word, and by kind", () => {
  const [cat, owl] = [aPerspective(), aPerspective({ id: "night-owl", name: "Night owl", kind: "bird", sight: "Sees at night." })];
  expect(found([cat, owl], "NIGHT sees", null)).toEqual([owl]);
  expect(found([cat, owl], "", "mammal")).toEqual([cat]);
  expect(found([cat, owl], "cat", "bird")).toEqual([]);
  expect(kindsOf([owl, cat])).toEqual(["mammal", "bird"]);
});

test("the time to go is told by how fast it went, and not before one can know", () => {
  const started_at = "2026-11-26T12:00:00Z";
  const now = Date.parse("2026-11-26T12:00:30Z");
  expect(secondsToGo({ status: "in_progress", progress: 50, started_at }, now)).toBe(30);
  expect(secondsToGo({ status: "in_progress", progress: 5, started_at }, now)).toBeNull();
  expect(secondsToGo({ status: "queued", progress: 50, started_at: null }, now)).toBeNull();
  expect(secondsToGo({ status: "in_progress", progress: 50, started_at }, Date.parse(started_at))).toBeNull();
});

test("the second film hurries or waits when it is a little apart, and jumps when it is far, around the loop too", () => {
  expect(correction(1.0, 1.02, 2, false)).toEqual({ rate: 1, goTo: null });
  expect(correction(1.1, 1.0, 2, false).rate).toBeCloseTo(1.2);
  expect(correction(1.0, 1.1, 2, false).rate).toBeCloseTo(0.8);
  expect(correction(0.01, 1.99, 2, false)).toEqual({ rate: 1, goTo: null });
  expect(correction(0.05, 1.95, 2, false).rate).toBeCloseTo(1.2);
  expect(correction(1.0, 0.2, 2, false)).toEqual({ rate: 1, goTo: 1.0 });
  expect(correction(1.1, 1.0, 2, true)).toEqual({ rate: 1, goTo: 1.1 });
  expect(correction(0.5, 1.5, Number.NaN, false).goTo).toBe(0.5);
});

test("every fact says who measured it, or that it is an estimate", () => {
  expect(factsOf(aPerspective(), en)).toEqual([{ says: "It sees 1/10 as sharply as a person.", source: "Hall & Mitchell 1991", isEstimate: false }]);
  expect(factsOf(aPerspective({ optics: { frame_deg: 90, fusion_hz: { estimate: "as of its kin", value: 60 } } }), en)[0]).toMatchObject({ isEstimate: true });
  expect(asTimes(2.34, en)).toBe("2.3 times");
});

test("every address leads where it says", () => {
  const routes: Route[] = [{ at: "create" }, { at: "create", jobId: "job-0001" }, { at: "films" }, { at: "gallery" }, { at: "shared", token: "a_b-c" }];
  for (const route of routes) expect(parseRoute(pathOf(route))).toEqual(route);
  expect(parseRoute("/nowhere")).toEqual({ at: "create" });
  expect(parseRoute("/job/%")).toEqual({ at: "create", jobId: "%" });
  expect(parseRoute("/shared/%zz")).toEqual({ at: "shared", token: "%zz" });
});

test("the browser remembers its films, newest first, each once, and survives what is broken", () => {
  localStorage.clear();
  remember(aJob());
  remember(aJob({ job_id: "job-0002" }));
  remember(aJob({ status: "completed" }));
  expect(rememberedJobs().map((job) => `${job.job_id} ${job.status}`)).toEqual(["job-0002 queued", "job-0001 completed"]);
  forget("job-0002");
  expect(rememberedJobs()).toHaveLength(1);
  localStorage.setItem("films", "{");
  expect(rememberedJobs()).toEqual([]);
});

test("the screen is as wide as the creature sees, a part of a cylinder, and does not stretch the film", () => {
  const screen = curvedScreen(120, 16 / 9);
  expect(screen.widthDeg).toBe(120);
  expect(screen.heightM).toBeCloseTo((RADIUS_M * ((120 * Math.PI) / 180)) / (16 / 9));
  for (let at = 0; at < screen.corners.length; at += 5) {
    expect(Math.hypot(screen.corners[at] ?? 0, screen.corners[at + 2] ?? 0)).toBeCloseTo(RADIUS_M, 4);
  }
  expect(curvedScreen(340, 16 / 9).widthDeg).toBe(180);
  expect(curvedScreen(10, 16 / 9).widthDeg).toBe(40);
  expect(curvedScreen(180, 1).heightM).toBeLessThan(2 * RADIUS_M * Math.tan((50 * Math.PI) / 180) + 1e-6);
});

test("the floor is as far below as the creature's eye is high", () => {
  expect(new Set(floorLines(0.25).filter((_, index) => index % 5 === 1))).toEqual(new Set([-0.25]));
});

test("one looks around by keys, and never turns over", () => {
  expect(turnedByKey(AHEAD, "ArrowLeft")?.yawDeg).toBe(5);
  expect(turnedByKey(AHEAD, "a")).toBeNull();
  expect(turned(AHEAD, 0, 200).pitchDeg).toBe(80);
  // What is to the left comes to the middle when one looks to the left.
  const view = viewMatrix({ yawDeg: 90, pitchDeg: 0 });
  const left = [-1, 0, 0];
  const seen = [0, 1, 2].map((row) => left.reduce((sum, each, column) => sum + each * (view[column * 4 + row] ?? 0), 0));
  expect(seen.map((each) => Math.round(each) + 0)).toEqual([0, 0, -1]);
});

test("German has every word that English has, and no function of it is left in English", () => {
  const leaves = (part: object, path = ""): string[] => Object.entries(part).flatMap(([name, value]) => (typeof value === "object" ? leaves(value, `${path}${name}.`) : [`${path}${name}`]));
  expect(leaves(de)).toEqual(leaves(en));
  expect(de.wait.ahead(1)).not.toBe(en.wait.ahead(1));
});
