import { cleanup, configure, render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, expect, test } from "vitest";
import { pollingFeed } from "@/feed/polling-feed";
import { Api } from "@/shared/api";
import { identityOf } from "@/shared/identity";
import { PageProvider } from "@/shared/page";
import { offline } from "@/shared/problems";
import { ThemeField } from "./theme-field";

configure({ asyncUtilTimeout: 20_000 });

const identity = identityOf({ api: "", project: "p", firestoreEmulator: null, firebase: null, appCheckSiteKey: null, localToken: null });

/** Keeps no theme and forgets none. */
class Down extends Api {
  constructor() {
    super("", identity);
  }
  override saveTheme = async () => {
    throw offline();
  };
  override forgetTheme = async () => {
    throw offline();
  };
}

function shown() {
  const api = new Down();
  render(
    <PageProvider value={{ api, identity, feed: pollingFeed(api) }}>
      <ThemeField themes={{ themes: [], own: [{ id: "t1", name: "Dusk", words: "violet dusk" }] }} chosen="own:t1" onChoose={() => {}} onChanged={() => {}} />
    </PageProvider>,
  );
}

afterEach(cleanup);

test("a theme that could not be forgotten is told of where it is chosen", async () => {
  shown();
  await userEvent.click(screen.getByRole("button", { name: "Forget this theme" }));
  await screen.findByRole("alert");
  expect(screen.queryByRole("dialog")).toBeNull();
});

test("who opens the dialog again does not read what went wrong before", async () => {
  shown();
  await userEvent.click(screen.getByRole("button", { name: "Save a theme of your own" }));
  await userEvent.type(screen.getByRole("textbox", { name: "Its name" }), "Dawn");
  await userEvent.type(screen.getByRole("textbox", { name: "Light, weather, colours" }), "pale dawn");
  await userEvent.click(screen.getByRole("button", { name: "Save" }));
  await screen.findByRole("alert");
  await userEvent.keyboard("{Escape}");
  await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  await userEvent.click(screen.getByRole("button", { name: "Save a theme of your own" }));
  await screen.findByRole("dialog");
  expect(screen.queryByRole("alert")).toBeNull();
});
