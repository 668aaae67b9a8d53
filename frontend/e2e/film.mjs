// Choose, say, wait, see, find again, cancel: on the real system, under the policy that the host will send.
import assert from "node:assert/strict";
import { choose, config, jobId, PAGE, reaches, stage, story, submit, WORDS } from "./browser.mjs";

await story(async (page) => {
  await page.goto(PAGE);
  await choose(page, "Curious cat");
  const posted = page.waitForResponse((response) => response.request().method() === "POST" && new URL(response.url()).pathname === "/jobs");
  await submit(page);
  await goesOnWithTheTrace(await posted);

  const progress = [];
  await page.exposeFunction("moved", (percent) => progress.push(Number(percent)));
  await page.evaluate(() => {
    const watching = new MutationObserver(() => window.moved(document.querySelector("[data-testid=progress]")?.getAttribute("aria-valuenow") ?? -1));
    watching.observe(document.body, { subtree: true, childList: true, attributes: true, attributeFilter: ["aria-valuenow"] });
  });
  await reaches(page, "queued", "in_progress");
  const first = await jobId(page);
  await reaches(page, "completed");
  const moves = new Set(progress.filter((percent) => percent > 0));
  assert.ok(moves.size >= 2, `progress was ${progress}`);
  if (config.firestore_emulator) assert.equal(await page.getByTestId("feed").getAttribute("data-feed"), "firestore");

  await plays(page, "film");
  await plays(page, "human-film");

  const slider = page.getByRole("slider");
  const clip = () => page.getByTestId("human-film").evaluate((video) => getComputedStyle(video).clipPath);
  const before = await clip();
  await slider.focus();
  for (let times = 0; times < 10; times++) await page.keyboard.press("ArrowRight");
  assert.notEqual(await clip(), before, "the slider uncovers the other film");
  await page.waitForFunction(() => {
    const [film, human] = ["film", "human-film"].map((id) => document.querySelector(`[data-testid=${id}]`));
    return Math.abs(film.currentTime - human.currentTime) < 0.15;
  });

  await page.reload();
  await reaches(page, "completed");
  await page.getByRole("link", { name: "My films" }).click();
  await page.getByRole("link", { name: "Curious cat" }).first().waitFor();
  await page.reload();
  const entry = page.getByRole("listitem").filter({ has: page.getByRole("link", { name: "Curious cat" }) });
  await entry.filter({ hasText: "Ready" }).first().waitFor();
  await entry.getByRole("link").first().click();
  await reaches(page, "completed");
  assert.equal(await jobId(page), first);

  await page.getByRole("link", { name: "Create" }).click();
  await choose(page, "Busy bee");
  await page.getByRole("textbox", { name: WORDS }).fill("a meadow in the wind");
  await submit(page);
  await reaches(page, "queued", "in_progress");
  await stage(page).getByRole("button", { name: "Cancel" }).click();
  await reaches(page, "canceled");

  await page.getByRole("link", { name: "Ready at once" }).click();
  await page.getByRole("main").getByRole("listitem").first().waitFor();
  assert.ok(!(await page.getByRole("main").innerText()).includes("meadow"), "a film of own words is in no gallery");
});

/** The job's document has the trace that the page has begun, and a span of the service in it. */
async function goesOnWithTheTrace(response) {
  const [, sent, click] = response.request().headers()["traceparent"].split("-");
  const [, kept, span] = (await response.json()).traceparent.split("-");
  assert.equal(kept, sent);
  assert.notEqual(span, click);
}

/** It has pictures, and time goes on in it. HEVC, say, would only have the latter. */
async function plays(page, id) {
  await page.waitForFunction((name) => {
    const video = document.querySelector(`[data-testid=${name}]`);
    return video && video.videoWidth > 0 && video.readyState >= 2;
  }, id);
  const at = await page.getByTestId(id).evaluate((video) => video.currentTime);
  await page.waitForFunction(([name, then]) => document.querySelector(`[data-testid=${name}]`).currentTime !== then, [id, at]);
}
