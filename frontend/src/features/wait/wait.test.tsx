import { act, cleanup, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { pollingFeed } from "@/feed/polling-feed";
import { Api, type JobView } from "@/shared/api";
import { identityOf } from "@/shared/identity";
import { PageProvider } from "@/shared/page";
import { aJob } from "@/testing/jobs";
import { Wait } from "./wait";

const identity = identityOf({ api: "", project: "p", firestoreEmulator: null, firebase: null, appCheckSiteKey: null, localToken: null });
const links = { self: "/jobs/job-0001" };
const eta = { seconds: 180, low: 120, high: 300 };

/** An API that answers when it is told to. */
class Slow extends Api {
  readonly asked: ((job: JobView) => void)[] = [];
  constructor() {
    super("", identity);
  }
  override job = () => new Promise<JobView>((resolve) => void this.asked.push(resolve));
}

function waiting(api: Api, job: JobView) {
  return (
    <PageProvider value={{ api, identity, feed: pollingFeed(api) }}>
      <Wait job={job} perspective={undefined} onCancel={() => {}} />
    </PageProvider>
  );
}

const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));
const HALF_A_MINUTE_MS = 30_000;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  cleanup();
  vi.useRealTimers();
});

test("an API that takes long is asked for the outlook again when it has answered", async () => {
  const api = new Slow();
  render(waiting(api, aJob()));
  await pass(HALF_A_MINUTE_MS);
  expect(api.asked).toHaveLength(1);
  api.asked[0]?.(aJob({ links, queue_position: 2, eta }));
  await pass(HALF_A_MINUTE_MS);
  expect(api.asked).toHaveLength(2);
  screen.getByText(/2 films are before yours\. About/);
});

test("nobody asks for the outlook while nobody looks", async () => {
  const api = new Slow();
  const sight = vi.spyOn(document, "visibilityState", "get").mockReturnValue("hidden");
  render(waiting(api, aJob()));
  api.asked[0]?.(aJob({ links }));
  await pass(HALF_A_MINUTE_MS);
  expect(api.asked).toHaveLength(1);
  sight.mockReturnValue("visible");
  document.dispatchEvent(new Event("visibilitychange"));
  await pass(0);
  expect(api.asked).toHaveLength(2);
});

test("where the feed tells what the API answers, the outlook is not asked for beside it", async () => {
  const api = new Slow();
  const { rerender } = render(waiting(api, aJob({ links, queue_position: 1, eta })));
  await pass(HALF_A_MINUTE_MS);
  screen.getByText("One film is before yours. About 3 minutes to go; for four films of five between 2 minutes and 5 minutes.");
  rerender(waiting(api, aJob({ links, queue_position: 0, eta: { seconds: 60, low: 60, high: 60 } })));
  screen.getByText("You are next. About 60 seconds to go.");
  expect(api.asked).toEqual([]);
});
