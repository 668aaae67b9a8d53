// A browser at the running page, and what every story needs. Enters: addresses in the environment. Leaves: a page that
// fails its story when something in it breaks, pictures of it, and what axe finds.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout } from "node:timers/promises";
import { chromium } from "playwright-core";

const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
/** For what a machine does that does something else too. */
export const PATIENCE_MS = 240_000;
export const PAGE = process.env.PAGE_URL;
export const DESKTOP = { width: 1280, height: 900 };
export const PHONE = { width: 360, height: 740 };
/** How the field is called. */
export const WORDS = "What happens in front of its eyes";
/**
 * What the browser says when something is away. The last: by a picture of Google's, Firestore's client finds out whether there
 * is a network; the policy lets no such request out.
 */
export const AWAY = /Failed to load resource|net::ERR_FAILED|@firebase\/firestore|cleardot\.gif/;
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

export const config = await (await fetched(`${PAGE}/config.json`)).json();
const answers = createInterface({ input: process.stdin });

/** Have whoever runs the system do something to it. */
export async function ask(wish) {
  const answered = once(answers, "line");
  console.log(`ask ${JSON.stringify(wish)}`);
  await answered;
}

/** A call of the API as the same person. */
export async function api(method, path, body) {
  const headers = { Authorization: `Bearer ${config.local_token}`, ...(body && { "Content-Type": "application/json" }) };
  const answer = await fetched(config.api + path, { method, headers, ...(body && { body: JSON.stringify(body) }) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer.status === 204 ? null : answer.json();
}

/** Node gives up a connection after ten seconds, which a busy machine may need. */
async function fetched(url, init) {
  for (let tries = 1; ; tries++) {
    try {
      return await fetch(url, init);
    } catch (error) {
      if (tries === 6) throw error;
    }
  }
}

/** A film of that wish; its job. */
export async function made(wish) {
  const giveUpAt = Date.now() + PATIENCE_MS;
  let job = await api("POST", "/jobs", wish);
  while (job.status !== "completed") {
    assert.ok(Date.now() < giveUpAt && job.status !== "failed", `the film is ${job.status}`);
    await setTimeout(200);
    job = await api("GET", `/jobs/${job.job_id}`);
  }
  return job.job_id;
}

/** Tell a story in a browser of its own. Whatever the page complains of fails it, but for what the story `expects`. */
export async function story(tell, { expects = /^$/, ...options } = {}) {
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM, args: FLAGS });
  const complaints = [];
  try {
    const context = await browser.newContext({ viewport: DESKTOP, colorScheme: "light", locale: "en-GB", reducedMotion: "no-preference", ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    const page = await context.newPage();
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (said) => said.type() === "error" && complaints.push(said.text()));
    try {
      await tell(page, context);
    } catch (error) {
      await shot(page, "last-sight");
      throw error;
    }
    assert.deepEqual(complaints.filter((each) => !expects.test(each)), []);
  } finally {
    await browser.close();
    answers.close();
  }
}

export async function shot(page, name) {
  await page.screenshot({ path: join(process.env.SHOTS, `${name}.png`), animations: "disabled", caret: "hide" });
}

/** What axe finds wrong, in words. */
export async function faults(page) {
  if (!(await page.evaluate(() => "axe" in window))) await page.addScriptTag({ path: axe });
  const { violations } = await page.evaluate(() => window.axe.run());
  return violations.map((each) => `${each.id}: ${each.nodes.map((node) => `${node.target} ${node.failureSummary}`).join("; ")}`);
}

export const stage = (page) => page.getByTestId("stage");

/** Wait until the stage is in one of these states. */
export async function reaches(page, ...states) {
  await page.waitForFunction((wanted) => wanted.includes(document.querySelector("#stage")?.dataset.state), states);
}

export async function choose(page, name) {
  const card = page.getByRole("radio", { name: `See as ${name}`, exact: true });
  await page.locator("label", { has: card }).click();
  await page.waitForFunction((called) => document.querySelector(`[aria-label="${called}"]`).checked, `See as ${name}`);
}

export const submit = (page) => page.getByRole("button", { name: "Show me" }).click();

/** Of the job that the page shows. */
export async function jobId(page) {
  await page.waitForURL(/\/job\//);
  return page.url().split("/").at(-1);
}

/** As the API says it (RFC 9457). */
export function quotaSpent() {
  const body = { type: "urn:life-as-not-me:problem:quota_exceeded", title: "Quota", status: 429, code: "quota_exceeded", detail: "You have 3 films on their way." };
  const headers = { "Access-Control-Allow-Origin": PAGE, "Access-Control-Expose-Headers": "Retry-After", "Retry-After": "90" };
  return { status: 429, contentType: "application/problem+json", headers, body: JSON.stringify(body) };
}
