// Every state, dark and light, on a phone and on a desktop: a picture of each, and axe finds nothing. Needs no worker but
// for the film, which is made before.
import assert from "node:assert/strict";
import { api, ask, choose, DESKTOP, faults, made, PAGE, PHONE, reaches, shot, story } from "./browser.mjs";

const film = await made({ perspective: "curious-cat", seed: 1 });
await ask({ stop_workers: true });
const waiting = await api("POST", "/jobs", { perspective: "night-owl", seed: 2 });
const failed = await api("POST", "/jobs", { perspective: "loyal-dog", seed: 3 });
await ask({ fail: failed.job_id });

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
  wait: async (page) => {
    await page.goto(`${PAGE}/job/${waiting.job_id}`);
    await reaches(page, "queued");
  },
  see: async (page) => {
    await page.goto(`${PAGE}/job/${film}`);
    await reaches(page, "completed");
    await page.waitForFunction(() => document.querySelector("[data-testid=human-film]")?.readyState >= 2);
  },
  failed: async (page) => {
    await page.goto(`${PAGE}/job/${failed.job_id}`);
    await reaches(page, "failed");
  },
  films: async (page) => {
    await page.goto(`${PAGE}/films`);
    await page.getByRole("main").getByRole("listitem").nth(2).waitFor();
    await page.locator("main img[src*='renders/']").first().waitFor();
  },
  gallery: async (page) => {
    await page.goto(`${PAGE}/gallery`);
    await page.getByRole("main").getByRole("listitem").first().waitFor();
  },
};

const found = [];
await story(
  async (page) => {
    for (const [size, viewport] of Object.entries({ desktop: DESKTOP, phone: PHONE })) {
      for (const colorScheme of ["light", "dark"]) {
        await page.setViewportSize(viewport);
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        for (const [name, show] of Object.entries(STATES)) {
          await show(page);
          await page.waitForFunction(() => [...document.images].every((image) => image.complete || image.getBoundingClientRect().top > innerHeight));
          if (["wait", "see", "failed"].includes(name) && size === "phone") await page.locator("#stage").scrollIntoViewIfNeeded();
          await shot(page, `${name}-${size}-${colorScheme}`);
          found.push(...(await faults(page)).map((each) => `${name}, ${size}, ${colorScheme}: ${each}`));
          const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
          if (wide > 0) found.push(`${name}, ${size}: ${wide} px too wide`);
        }
      }
    }
  },
  { bypassCSP: true },
);
assert.deepEqual(found, []);
