// What one sees when a service is away, the quota is spent, or a film can't be made: what was typed is always still there.
import assert from "node:assert/strict";
import { api, ask, choose, config, jobId, PAGE, reaches, shot, stage, story, submit } from "./browser.mjs";

const WORDS = "a moth at the lamp";

await ask({ stop_workers: true });
await story(
  async (page) => {
    const words = page.getByRole("textbox", { name: "What happens in front of its eyes" });
    const alert = (code) => page.locator(`[role=alert][data-code=${code}]`);
    await page.goto(PAGE);
    await choose(page, "Curious cat");
    await words.fill(WORDS);

    const jobs = `${config.api}/jobs`;
    await page.route(jobs, (route) => route.abort());
    await submit(page);
    await alert("offline").waitFor();
    assert.equal(await words.inputValue(), WORDS);
    await alert("offline").scrollIntoViewIfNeeded();
    await shot(page, "api-down");

    await page.unroute(jobs);
    await page.route(jobs, (route) => (route.request().method() === "POST" ? route.fulfill(quotaSpent()) : route.continue()));
    await page.getByRole("button", { name: "Try again" }).click();
    await alert("quota_exceeded").filter({ hasText: "You can wish again in" }).waitFor();
    assert.equal(await words.inputValue(), WORDS);
    await shot(page, "quota");

    await page.unroute(jobs);
    await submit(page);
    await reaches(page, "queued", "in_progress");
    await ask({ fail: await jobId(page) });
    await reaches(page, "failed");
    await stage(page).locator("[data-code=render_failed]").filter({ hasText: "out of memory" }).waitFor();
    await shot(page, "job-failed");

    await page.route(`http://${config.firestore_emulator}/**`, (route) => route.abort());
    await page.goto(PAGE);
    assert.equal(await words.inputValue(), WORDS, "a reload keeps the words");
    await submit(page);
    const id = await jobId(page);
    await page.locator("[data-feed=polling]").waitFor();
    await api("POST", `/jobs/${id}:cancel`);
    await reaches(page, "canceled");
    await shot(page, "firestore-down");

    await page.goto(`${PAGE}/job/some-other-job`);
    await stage(page).getByText("There is no such film").waitFor();
  },
  // The last: by a picture of Google's its client finds out whether there is a network. The policy lets no such request out.
  { expects: /Failed to load resource|net::ERR_FAILED|@firebase\/firestore|cleardot\.gif/ },
);

/** As the API says it (RFC 9457). */
function quotaSpent() {
  const body = { type: "urn:life-as-not-me:problem:quota_exceeded", title: "Quota", status: 429, code: "quota_exceeded", detail: "You have 3 films on their way." };
  const headers = { "Access-Control-Allow-Origin": PAGE, "Access-Control-Expose-Headers": "Retry-After", "Retry-After": "90" };
  return { status: 429, contentType: "application/problem+json", headers, body: JSON.stringify(body) };
}
