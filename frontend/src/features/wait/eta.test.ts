import { expect, test } from "vitest";
import { left, secondsToGo } from "./eta";

const ASKED = { eta: { seconds: 60, low: 40, high: 100 }, askedAt: 1_000_000 };

test("what the API expects comes nearer second by second", () => {
  expect(left(ASKED, 1_000_000)).toEqual({ seconds: 60, low: 40, high: 100 });
  expect(left(ASKED, 1_030_000)).toEqual({ seconds: 30, low: 10, high: 70 });
});

test("what should have come by now may still come, but not in the past", () => {
  expect(left(ASKED, 1_080_000)).toEqual({ seconds: 1, low: 1, high: 20 });
});

test("what is later than the API expected of nine in ten is not expected any more", () => {
  expect(left(ASKED, 1_100_000)).toBeNull();
});

test("without the API its own pace says when, once it is drawn", () => {
  const job = { status: "in_progress", progress: 50, started_at: "2026-01-01T00:00:00Z" } as const;
  expect(secondsToGo(job, Date.parse("2026-01-01T00:00:30Z"))).toBe(30);
  expect(secondsToGo({ ...job, progress: 5 }, Date.parse("2026-01-01T00:00:30Z"))).toBeNull();
});
