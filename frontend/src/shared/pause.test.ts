import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { pause } from "./pause";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("a pause ends with its time, with a network, or with a signal, and leaves nobody listening", async () => {
  const listening = new Set<() => void>();
  vi.spyOn(globalThis, "addEventListener").mockImplementation((_name: string, listener: unknown) => void listening.add(listener as () => void));
  vi.spyOn(globalThis, "removeEventListener").mockImplementation((_name: string, listener: unknown) => void listening.delete(listener as () => void));
  const stopping = new AbortController();
  const pauses = [pause(500), pause(60_000), pause(60_000, stopping.signal)];
  await vi.advanceTimersByTimeAsync(500);
  await pauses[0];
  expect(listening.size).toBe(2);
  stopping.abort();
  await pauses[2];
  for (const hear of listening) hear();
  await pauses[1];
  expect(listening.size).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
  await pause(60_000, stopping.signal);
});
