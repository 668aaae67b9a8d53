// What one sees when a service is away, the quota is spent, or a film can't be made: what was typed is always still there.
import assert from "node:assert/strict";
import { api, ask, AWAY, choose, config, jobId, PAGE, quotaSpent, reaches, stage, story, submit, WORDS } from "./browser.mjs";

const TYPED = "a moth at the lamp";

await ask({ stop_workers: true });
await story(
  async (page) => {
    const words = page.getByRole("textbox", { name: WORDS });
    const alert = (code) => page.locator(`[role=alert][data-code=${code}]`);
    await page.goto(PAGE);
    await choose(page, "Curious cat");
    await words.fill(TYPED);

    const jobs = `${config.api}/jobs`;
    await page.route(jobs, (route) => route.abort());
    await submit(page);
    await alert("offline").waitFor();
    assert.equal(await words.inputValue(), TYPED);

    await page.unroute(jobs);
    await page.route(jobs, (route) => (route.request().method() === "POST" ? route.fulfill(quotaSpent()) : route.continue()));
    await page.getByRole("button", { name: "Try again" }).click();
    await alert("quota_exceeded").filter({ hasText: "You can try again in" }).waitFor();
    assert.equal(await words.inputValue(), TYPED);

    await page.unroute(jobs);
    await submit(page);
    await reaches(page, "queued", "in_progress");
    await ask({ fail: await jobId(page) });
    await reaches(page, "failed");
    await stage(page).locator("[data-code=render_failed]").filter({ hasText: "out of memory" }).waitFor();

    await page.route(`http://${config.firestore_emulator}/**`, (route) => route.abort());
    await page.goto(PAGE);
    assert.equal(await words.inputValue(), TYPED, "a reload keeps the words");
    await submit(page);
    const id = await jobId(page);
    await page.locator("[data-feed=polling]").waitFor();
    await api("POST", `/jobs/${id}:cancel`);
    await reaches(page, "canceled");

    await page.goto(`${PAGE}/job/some-other-job`);
    await stage(page).getByText("There is no such film").waitFor();
  },
  { expects: AWAY },
);
