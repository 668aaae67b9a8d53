import { cleanup, configure, render, screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { useState } from "react";
import { afterEach, expect, test } from "vitest";
import { pollingFeed } from "@/feed/polling-feed";
import { Api, type JobView } from "@/shared/api";
import { identityOf } from "@/shared/identity";
import { PageProvider } from "@/shared/page";
import { offline } from "@/shared/problems";
import { aJob, VIDEO } from "@/testing/jobs";
import { ShareButton } from "./share-button";

configure({ asyncUtilTimeout: 20_000 });

const identity = identityOf({ api: "", project: "p", firestoreEmulator: null, firebase: null, appCheckSiteKey: null, localToken: null });
const film = aJob({ status: "completed", video: VIDEO });

/** Shares and takes back, each at once. */
class Sharing extends Api {
  isDown = false;
  constructor() {
    super("", identity);
  }
  override share = async () => ({ ...film, share_token: "to.ken_1" });
  override unshare = async () => {
    if (this.isDown) throw offline();
    return film;
  };
}

function Film({ api, begin }: { api: Sharing; begin: JobView }) {
  const [job, setJob] = useState(begin);
  return (
    <PageProvider value={{ api, identity, feed: pollingFeed(api) }}>
      <ShareButton job={job} onChanged={setJob} />
    </PageProvider>
  );
}

const copying = (writeText: () => Promise<void>) => Object.defineProperty(navigator, "clipboard", { value: { writeText }, configurable: true });
const link = () => screen.findByRole<HTMLInputElement>("textbox", { name: "Share" });

afterEach(() => {
  cleanup();
  Reflect.deleteProperty(navigator, "clipboard");
});

test("a film that Firestore shows as shared has its link, though a document names no addresses", async () => {
  render(<Film api={new Sharing()} begin={{ ...film, share_token: "to.ken_1" }} />);
  expect((await link()).value).toBe(`${location.origin}/shared/to.ken_1`);
});

test("a link that is made anew was not copied yet", async () => {
  copying(async () => {});
  render(<Film api={new Sharing()} begin={film} />);
  await userEvent.click(screen.getByRole("button", { name: "Share" }));
  await userEvent.click(await screen.findByRole("button", { name: "Copy link" }));
  await screen.findByRole("button", { name: "Copied" });
  await userEvent.click(screen.getByRole("button", { name: "Stop sharing" }));
  await userEvent.click(await screen.findByRole("button", { name: "Share" }));
  await screen.findByRole("button", { name: "Copy link" });
});

test("where the browser does not let it be copied, the link is marked, and one is told", async () => {
  copying(() => Promise.reject(new DOMException("no", "NotAllowedError")));
  render(<Film api={new Sharing()} begin={{ ...film, share_token: "to.ken_1" }} />);
  await userEvent.click(screen.getByRole("button", { name: "Copy link" }));
  await screen.findByText(/does not let the page copy/);
  expect(document.activeElement).toBe(await link());
});

test("a link that could not be taken back is still shown, and why", async () => {
  const api = new Sharing();
  api.isDown = true;
  render(<Film api={api} begin={{ ...film, share_token: "to.ken_1" }} />);
  await userEvent.click(screen.getByRole("button", { name: "Stop sharing" }));
  expect((await screen.findByRole("alert")).textContent).toContain("Nobody answers");
  await link();
});
