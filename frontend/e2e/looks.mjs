// Every state in the colours of SCHEME, on a phone and on a desktop: a picture of each, and axe finds nothing. Needs no
// worker but for the film, which is made before.
import assert from "node:assert/strict";
import { api, ask, AWAY, choose, config, DESKTOP, faults, made, PAGE, PHONE, quotaSpent, reaches, shot, stage, story, submit, WORDS } from "./browser.mjs";

const colorScheme = process.env.SCHEME;
const film = await made({ perspective: "curious-cat", seed: 1 });
const { shared } = (await api("POST", `/jobs/${film}:share`)).links;
await ask({ stop_workers: true });
const waiting = await api("POST", "/jobs", { perspective: "night-owl", seed: 2 });
const failed = await api("POST", "/jobs", { perspective: "loyal-dog", seed: 3 });
await ask({ fail: failed.job_id });
const { job_id: unwanted } = await api("POST", "/jobs", { perspective: "busy-bee", seed: 4 });
await api("POST", `/jobs/${unwanted}:cancel`);

const jobs = `${config.api}/jobs`;
const job = (id, state) => async (page) => {
  await page.goto(`${PAGE}/job/${id}`);
  await reaches(page, state);
};
const see = async (page) => {
  await job(film, "completed")(page);
  await page.waitForFunction(() => document.querySelector("[data-testid=human-film]")?.readyState >= 2);
};

const STATES = {
  choose: async (page) => {
    await page.goto(PAGE);
    await choose(page, "Curious cat");
  },
  "how-it-sees": async (page) => {
    await page.goto(PAGE);
    await page.getByRole("button", { name: "How does it see? Curious cat" }).click();
    await page.getByRole("dialog").waitFor();
  },
  say: async (page) => {
    await page.goto(PAGE);
    await choose(page, "Curious cat");
    await page.getByRole("textbox", { name: WORDS }).fill("a moth at the lamp");
    await page.getByText("Options", { exact: true }).click();
    await page.getByRole("spinbutton", { name: "Seed" }).scrollIntoViewIfNeeded();
  },
  "own-theme": async (page) => {
    await page.goto(PAGE);
    await page.getByRole("button", { name: "Save a theme of your own" }).click();
    await page.getByRole("dialog").waitFor();
  },
  wait: job(waiting.job_id, "queued"),
  see,
  details: async (page) => {
    await see(page);
    await page.getByText("How it was made").click();
    await page.getByRole("link", { name: /^Receipt/ }).scrollIntoViewIfNeeded();
  },
  inside: async (page) => {
    await see(page);
    await stage(page).getByRole("button", { name: "Step inside" }).click();
    await page.waitForFunction(() => document.querySelector("[role=dialog] video")?.readyState >= 2);
  },
  failed: job(failed.job_id, "failed"),
  canceled: job(unwanted, "canceled"),
  films: async (page) => {
    await page.goto(`${PAGE}/films`);
    await page.getByRole("main").getByRole("listitem").nth(2).waitFor();
    await page.locator("main img[src*='renders/']").first().waitFor();
  },
  gallery: async (page) => {
    await page.goto(`${PAGE}/gallery`);
    await page.getByRole("main").getByRole("listitem").first().waitFor();
  },
  "gallery-film": async (page) => {
    await STATES.gallery(page);
    await page.getByRole("main").getByRole("listitem").first().getByRole("button").click();
    await page.waitForFunction(() => document.querySelector("[role=dialog] [data-testid=human-film]")?.readyState >= 2);
  },
  shared: async (page) => {
    await page.goto(PAGE + shared);
    await page.waitForFunction(() => document.querySelector("[data-testid=human-film]")?.readyState >= 2);
  },
  "api-down": async (page) => {
    await page.route(jobs, (route) => route.abort());
    await page.goto(PAGE);
    await submit(page);
    await page.locator("[role=alert][data-code=offline]").scrollIntoViewIfNeeded();
  },
  quota: async (page) => {
    await page.route(jobs, (route) => (route.request().method() === "POST" ? route.fulfill(quotaSpent()) : route.continue()));
    await page.goto(PAGE);
    await submit(page);
    await page.locator("[role=alert][data-code=quota_exceeded]").scrollIntoViewIfNeeded();
  },
  "firestore-down": async (page) => {
    await page.route(`http://${config.firestore_emulator}/**`, (route) => route.abort());
    const json = { ...waiting, status: "in_progress", stage: "rendering", progress: 42, started_at: waiting.created_at };
    await page.route(`${jobs}/${waiting.job_id}`, (route) => route.fulfill({ json, headers: { "Access-Control-Allow-Origin": PAGE } }));
    await job(waiting.job_id, "in_progress")(page);
    await page.locator("[data-feed=polling]").waitFor();
  },
  "no-config": async (page) => {
    await page.route(`${PAGE}/config.json`, (route) => route.fulfill({ status: 500 }));
    await page.goto(PAGE);
    await page.getByRole("alert").waitFor();
  },
};
/** On a phone that is below what one sees first. */
const ON_STAGE = new Set(["wait", "see", "failed", "canceled", "firestore-down"]);

const found = [];
await story(
  async (page) => {
    for (const [size, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
      await page.setViewportSize(viewport);
      await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
      for (const [name, show] of Object.entries(STATES)) {
        await show(page);
        await page.waitForFunction(() => [...document.images].every((image) => image.complete || image.getBoundingClientRect().top > innerHeight));
        if (ON_STAGE.has(name) && size === "phone") await page.locator("#stage").scrollIntoViewIfNeeded();
        await shot(page, `${name}-${size}-${colorScheme}`);
        found.push(...(await faults(page)).map((each) => `${name}, ${size}: ${each}`));
        const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
        if (wide > 0) found.push(`${name}, ${size}: ${wide} px too wide`);
        await page.unrouteAll({ behavior: "ignoreErrors" });
      }
    }
  },
  { bypassCSP: true, expects: AWAY },
);
assert.deepEqual(found, []);
