import { act, cleanup, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Hearing, JobFeed } from "@/feed/job-feed";
import { Api, type JobView } from "@/shared/api";
import { identityOf } from "@/shared/identity";
import { PageProvider } from "@/shared/page";
import { offline } from "@/shared/problems";
import History from "./history";

const identity = identityOf({ api: "", project: "p", firestoreEmulator: null, firebase: null, appCheckSiteKey: null, localToken: null });

/** A feed that tells what a test tells it. */
class Told implements JobFeed {
  readonly hearings: Hearing<readonly JobView[] | null>[] = [];
  watch = () => () => {};
  watchMine = (hearing: Hearing<readonly JobView[] | null>) => {
    this.hearings.push(hearing);
    return () => {};
  };
}

beforeEach(() => localStorage.clear());
afterEach(cleanup);

test("films that could not be fetched are not none, and one can ask again", async () => {
  const feed = new Told();
  render(
    <PageProvider value={{ api: new Api("", identity), identity, feed }}>
      <History perspectives={[]} />
    </PageProvider>,
  );
  act(() => feed.hearings[0]?.fail(offline()));
  expect(screen.getByRole("alert").textContent).toContain("Your films could not be fetched.");
  expect(screen.queryByText("No films yet.")).toBeNull();
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  act(() => feed.hearings[1]?.hear([]));
  screen.getByText("No films yet.");
  expect(screen.queryByRole("alert")).toBeNull();
});
