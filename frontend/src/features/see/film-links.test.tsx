import { act, cleanup, fireEvent, render, screen } from "@testing-library/react";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { pollingFeed } from "@/feed/polling-feed";
import { Api } from "@/shared/api";
import { identityOf } from "@/shared/identity";
import { PageProvider } from "@/shared/page";
import { offline } from "@/shared/problems";
import { LoneFilm } from "./lone-film";

const identity = identityOf({ api: "", project: "p", firestoreEmulator: null, firebase: null, appCheckSiteKey: null, localToken: null });
const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

/** Signs links that hold for an hour, each another. */
class Signing extends Api {
  isDown = false;
  signed = 0;
  constructor() {
    super("", identity);
  }
  override link = async (path: string) => {
    if (this.isDown) throw offline();
    return { url: `https://films.example${path}?${++this.signed}`, expires_at: new Date(Date.now() + HOUR_MS).toISOString() };
  };
}

const pass = (ms: number) => act(() => vi.advanceTimersByTimeAsync(ms));
const film = () => screen.getByTestId<HTMLVideoElement>("film");

async function shown(api: Signing) {
  render(
    <PageProvider value={{ api, identity, feed: pollingFeed(api) }}>
      <LoneFilm base="/gallery/k" name="Night owl" video={{ width: 16, height: 9 }} />
    </PageProvider>,
  );
  await pass(0);
}

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("matchMedia", () => ({ matches: true }));
});
afterEach(() => {
  cleanup();
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("a link that could not be renewed is renewed a minute later", async () => {
  const api = new Signing();
  await shown(api);
  const first = film().src;
  api.isDown = true;
  await pass(HOUR_MS - MINUTE_MS);
  expect(film().src).toBe(first);
  api.isDown = false;
  await pass(MINUTE_MS);
  expect(film().src).not.toBe(first);
});

test("a film that can't be read has a new link, each time that one has ended; one that no link helps can't be played", async () => {
  const api = new Signing();
  await shown(api);
  for (const _ of ["once", "and again later"]) {
    const before = film().src;
    fireEvent.error(film());
    await pass(0);
    expect(film().src).not.toBe(before);
    await pass(2 * MINUTE_MS);
  }
  expect(screen.queryByRole("alert")).toBeNull();
  fireEvent.error(film());
  await pass(0);
  fireEvent.error(film());
  expect(screen.getByRole("alert").textContent).toContain("can’t play the film");
});
