import { cleanup, configure, render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { pollingFeed } from "@/feed/polling-feed";
import { rememberedJobs } from "@/features/history/own-list";
import { Api, type Film, type JobView, type Wish } from "@/shared/api";
import { identityOf } from "@/shared/identity";
import { PageProvider } from "@/shared/page";
import { offline } from "@/shared/problems";
import { aJob } from "@/testing/jobs";
import { GalleryFilm } from "./gallery-film";

configure({ asyncUtilTimeout: 20_000 });

const identity = identityOf({ api: "", project: "p", firestoreEmulator: null, firebase: null, appCheckSiteKey: null, localToken: null });
const film: Film = { render_key: "k", perspective: "night-owl", wish: { perspective: "night-owl", seed: 7 }, video: { width: 256, height: 256, duration_s: 2 }, links: {} };

/** An API whose answers to a wish a test gives. */
class Kept extends Api {
  readonly keys: string[] = [];
  readonly answers: { give: (job: JobView) => void; refuse: (error: Error) => void }[] = [];
  constructor() {
    super("", identity);
  }
  override link = async (path: string) => ({ url: `https://films.example${path}`, expires_at: "2099-01-01T00:00:00Z" });
  override submit = (_wish: Wish, key: string) => {
    this.keys.push(key);
    return new Promise<JobView>((give, refuse) => void this.answers.push({ give, refuse }));
  };
}

const shown = (api: Api) =>
  render(
    <PageProvider value={{ api, identity, feed: pollingFeed(api) }}>
      <GalleryFilm base="/gallery/k" name="Night owl" film={film} />
    </PageProvider>,
  );
const keep = () => screen.findByRole<HTMLButtonElement>("button", { name: /Make it mine|Sending/ });

beforeEach(() => {
  history.replaceState(null, "", "/gallery");
  sessionStorage.clear();
  localStorage.clear();
  vi.stubGlobal("matchMedia", () => ({ matches: true }));
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

test("a film of the gallery is made one's own once, though the first answer was lost", async () => {
  const api = new Kept();
  shown(api);
  await userEvent.click(await keep());
  expect((await keep()).disabled).toBe(true);
  api.answers[0]?.refuse(offline());
  await waitFor(() => expect(api.answers).toHaveLength(2));
  api.answers[1]?.give(aJob({ status: "completed" }));
  await waitFor(() => expect(location.pathname).toBe("/job/job-0001"));
  expect(api.keys[1]).toBe(api.keys[0]);
});

test("who has closed the film before it was their own stays where they are", async () => {
  const api = new Kept();
  const { unmount } = shown(api);
  await userEvent.click(await keep());
  unmount();
  api.answers[0]?.give(aJob({ status: "completed" }));
  await waitFor(() => expect(rememberedJobs()).toHaveLength(1));
  expect(location.pathname).toBe("/gallery");
});
