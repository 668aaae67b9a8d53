// What Lighthouse says of the page: its scores, of 100, and what is wrong. Enters: addresses in the environment. Leaves:
// one line of JSON for each address and theme. Speed is not asked for: this machine does other things too.
import { launch } from "chrome-launcher";
import lighthouse from "lighthouse";

const FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const { PAGE_URL, CHROMIUM, PATHS } = process.env;

const chromium = await launch({ chromePath: CHROMIUM, chromeFlags: FLAGS, ignoreDefaultFlags: true, maxConnectionRetries: 500 });
try {
  for (const path of JSON.parse(PATHS)) {
    const options = { port: chromium.port, logLevel: "error", onlyCategories: ["accessibility", "best-practices", "seo"], maxWaitForLoad: 240_000 };
    const { lhr } = await lighthouse(PAGE_URL + path, options);
    const scores = Object.fromEntries(Object.values(lhr.categories).map(({ id, score }) => [id, score === null ? null : Math.round(score * 100)]));
    const weighed = Object.values(lhr.categories).flatMap(({ auditRefs }) => auditRefs.filter(({ weight }) => weight > 0).map(({ id }) => lhr.audits[id]));
    const faults = weighed
      .filter(({ score, scoreDisplayMode }) => scoreDisplayMode !== "notApplicable" && scoreDisplayMode !== "manual" && score !== 1)
      .map(({ id, title, errorMessage, details }) => `${id}: ${errorMessage ?? title} ${JSON.stringify(details?.items ?? [])}`);
    console.log(JSON.stringify({ path, scores, faults, runtimeError: lhr.runtimeError?.message ?? null }));
  }
} finally {
  chromium.kill();
}
