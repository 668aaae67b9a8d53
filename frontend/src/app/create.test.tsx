import { cleanup, configure, render, screen, waitFor, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useMemo } from "react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { pollingFeed } from "@/feed/polling-feed";
import { rememberedJobs } from "@/features/history/own-list";
import { Api, type JobView, type Themes, type Wish } from "@/shared/api";
import { identityOf } from "@/shared/identity";
import { PageProvider } from "@/shared/page";
import { offline, Problem } from "@/shared/problems";
import { aJob, aPerspective, VIDEO } from "@/testing/jobs";
import { useCatalogues } from "./catalogues";
import { Create } from "./create";

// A busy machine is slow, not wrong.
configure({ asyncUtilTimeout: 20_000 });

const nobody = identityOf({ api: "", project: "p", firestoreEmulator: null, firebase: null, appCheckSiteKey: null, localToken: null });

/** The API as this page sees it, with one job. */
class House extends Api {
  readonly wished: { wish: Wish; key: string }[] = [];
  readonly canceled: string[] = [];
  refusal: Problem | null = null;
  shown: JobView = aJob({ queue_position: 2 });

  constructor() {
    super("", nobody);
  }
  override perspectives = async () => [aPerspective(), aPerspective({ id: "night-owl", name: "Night owl", kind: "bird" })];
  override themes = async (): Promise<Themes> => ({ themes: [] });
  override models = async () => [];
  override job = async () => this.shown;
  override submit = async (wish: Wish, key: string) => {
    this.wished.push({ wish, key });
    if (this.refusal) throw this.refusal;
    return this.shown;
  };
  override link = async (path: string) => ({ url: `https://films.example${path}`, expires_at: "2099-01-01T00:00:00Z" });
  override cancel = async (id: string) => {
    this.canceled.push(id);
    this.shown = aJob({ status: "canceled", updated_at: "2026-11-26T12:00:09Z" });
    return this.shown;
  };
}

function Whole({ jobId }: { jobId?: string | undefined }) {
  return <Create jobId={jobId} catalogues={useCatalogues()} />;
}

function Page({ house, jobId }: { house: House; jobId?: string | undefined }) {
  const page = useMemo(() => ({ api: house, feed: pollingFeed(house), identity: nobody }), [house]);
  return (
    <PageProvider value={page}>
      <Whole jobId={jobId} />
    </PageProvider>
  );
}

const shown = (house: House, jobId?: string) => render(<Page house={house} jobId={jobId} />);

beforeEach(() => {
  history.replaceState(null, "", "/");
  sessionStorage.clear();
  localStorage.clear();
  vi.stubGlobal("matchMedia", () => ({ matches: true }));
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
});

const words = () => screen.getByRole<HTMLTextAreaElement>("textbox", { name: /in front of its eyes/ });

test("a wish goes out with the creature and the words, and leads to its own address", async () => {
  const house = new House();
  shown(house);
  await userEvent.click(await screen.findByRole("radio", { name: "See as Night owl" }));
  await userEvent.type(words(), "a mouse in the hay");
  await userEvent.click(screen.getByRole("button", { name: "Show me" }));
  await waitFor(() => expect(location.pathname).toBe("/job/job-0001"));
  expect(house.wished.map((each) => each.wish)).toEqual([{ perspective: "night-owl", prompt: "a mouse in the hay" }]);
});

test("who has gone elsewhere while a wish was sent stays there, and has the film among their own", async () => {
  const house = new House();
  const answers: ((job: JobView) => void)[] = [];
  house.submit = () => new Promise((resolve) => void answers.push(resolve));
  const { unmount } = shown(house);
  await userEvent.click(screen.getByRole("button", { name: "Show me" }));
  unmount();
  history.replaceState(null, "", "/gallery");
  answers[0]?.(house.shown);
  await waitFor(() => expect(rememberedJobs()).toHaveLength(1));
  expect(location.pathname).toBe("/gallery");
});

test("a refusal is told beside the form, and what was typed is still there, after a reload too", async () => {
  const house = new House();
  house.refusal = new Problem("quota_exceeded", "Three films are on their way.", { status: 429, retryAfterS: 60 });
  const { unmount } = shown(house);
  await userEvent.type(words(), "a moth");
  await userEvent.click(screen.getByRole("button", { name: "Show me" }));
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toContain("Three films are on their way.");
  expect(alert.textContent).toContain("You can try again in 60 seconds.");
  expect(within(alert).getByRole<HTMLButtonElement>("button", { name: "Try again" }).disabled).toBe(true);
  unmount();
  shown(new House());
  expect(words().value).toBe("a moth");
});

test("words that are not drawn can be changed, not sent again as they are", async () => {
  const house = new House();
  house.refusal = new Problem("prompt_refused", "No.", { status: 422 });
  shown(house);
  await userEvent.click(screen.getByRole("button", { name: "Show me" }));
  expect(within(await screen.findByRole("alert")).queryByRole("button", { name: "Try again" })).toBeNull();
});

test("one who waits is told the place in the queue, and can cancel", async () => {
  const house = new House();
  shown(house, "job-0001");
  await screen.findByText("2 films are before yours.");
  await userEvent.click(screen.getByRole("button", { name: "Cancel" }));
  await waitFor(() => expect(screen.getByTestId("stage").dataset.state).toBe("canceled"));
  expect(house.canceled).toEqual(["job-0001"]);
});

test("one who waits is told when the film is expected, and how sure that is", async () => {
  const house = new House();
  house.shown = aJob({ queue_position: 0, eta: { seconds: 180, low: 120, high: 300 } });
  shown(house, "job-0001");
  await screen.findByText("You are next. About 3 minutes to go; for four films of five between 2 minutes and 5 minutes.");
});

test("a film that could not be made says why, and another try has another seed", async () => {
  const house = new House();
  house.shown = aJob({ status: "failed", error: { code: "render_failed", message: "The model ran out of memory." } });
  shown(house, "job-0001");
  await screen.findByText("The model ran out of memory.");
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  await waitFor(() => expect(house.wished).toHaveLength(1));
  expect(house.wished[0]?.wish.perspective).toBe("curious-cat");
  expect(house.wished[0]?.wish.seed).not.toBe(7);
});

const aFilm = () => aJob({ status: "completed", progress: 100, video: VIDEO });

test("a film that could not be deleted is still there, and the page says why", async () => {
  const house = new House();
  house.shown = aFilm();
  house.remove = async () => {
    throw new Problem("unavailable", "Later.", { status: 503 });
  };
  shown(house, "job-0001");
  await userEvent.click(await screen.findByRole("button", { name: "Delete" }));
  await userEvent.click(screen.getByRole("button", { name: "Delete this film?" }));
  expect((await screen.findByRole("alert")).textContent).toContain("A service behind this page does not answer.");
  expect(screen.getByTestId("stage").dataset.state).toBe("completed");
});

test("another take that was refused is what is tried again, not what stands in the form", async () => {
  const house = new House();
  house.shown = aFilm();
  house.refusal = new Problem("quota_exceeded", "Wait for one of them.", { status: 429 });
  shown(house, "job-0001");
  await userEvent.type(words(), "a whale");
  await userEvent.click(await screen.findByRole("button", { name: "Another take" }));
  await userEvent.click(await screen.findByRole("button", { name: "Try again" }));
  await waitFor(() => expect(house.wished).toHaveLength(2));
  expect(house.wished[1]?.wish).toEqual(house.wished[0]?.wish);
});

test("who goes to another film has left the one they had stepped into", async () => {
  const house = new House();
  house.shown = aFilm();
  const { rerender } = shown(house, "job-0001");
  await userEvent.click(await screen.findByRole("button", { name: "Step inside" }));
  await screen.findByRole("dialog", { name: /Inside/ });
  house.shown = aJob({ job_id: "job-0002", status: "failed" });
  rerender(<Page house={house} jobId="job-0002" />);
  await waitFor(() => expect(screen.getByTestId("stage").dataset.state).toBe("failed"));
  expect(screen.queryByRole("dialog")).toBeNull();
});

/** Themes can't be fetched, and one of them was chosen before. */
async function withoutThemes() {
  const house = new House();
  house.themes = async () => {
    throw new Problem("unauthenticated", "reCAPTCHA error");
  };
  sessionStorage.setItem("draft", JSON.stringify({ prompt: "a moth", theme: "own:t1" }));
  shown(house);
  expect((await screen.findByRole("alert")).textContent).toContain("Light and weather, or the models, could not be fetched.");
  const submit = screen.getByRole<HTMLButtonElement>("button", { name: "Show me" });
  expect(submit.disabled).toBe(true);
  return { house, submit };
}

test("a theme of one's own that was chosen is not left out while it is not there; one can do without", async () => {
  const { submit } = await withoutThemes();
  await userEvent.selectOptions(screen.getByRole("combobox", { name: "Light and weather" }), "As it is");
  expect(submit.disabled).toBe(false);
});

test("themes that could not be fetched are asked for again", async () => {
  const { house, submit } = await withoutThemes();
  house.themes = async () => ({ themes: [], own: [{ id: "t1", name: "Dusk", words: "violet dusk" }] });
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  await waitFor(() => expect(submit.disabled).toBe(false));
  await userEvent.click(submit);
  await waitFor(() => expect(house.wished.map((each) => each.wish.prompt)).toEqual(["a moth, violet dusk"]));
});

test("when nobody answers, the stage says so, and what is known stays", async () => {
  const house = new House();
  house.job = async () => {
    throw offline();
  };
  shown(house, "job-0001");
  expect((await screen.findByRole("alert")).textContent).toContain("Nobody answers");
});
