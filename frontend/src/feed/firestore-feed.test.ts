import { Timestamp } from "firebase/firestore";
import { expect, test } from "vitest";
import { aJob } from "@/testing/jobs";
import { jobOf } from "./firestore-feed";

test("a document of Firestore is the job that the API shows, its times as text", () => {
  const job = aJob({ created_at: "2026-11-26T12:00:00.000Z" });
  expect(jobOf({ ...job, created_at: Timestamp.fromDate(new Date("2026-11-26T12:00:00Z")) })).toEqual(job);
});
