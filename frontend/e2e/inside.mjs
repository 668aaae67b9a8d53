// Into the film with a headset that iwer plays: a session begins, draws the film for both eyes, and ends.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { made, PAGE, reaches, stage, story } from "./browser.mjs";

const iwer = createRequire(import.meta.url).resolve("iwer").replace(/(.*\/iwer\/).*/, "$1build/iwer.min.js");

await story(
  async (page) => {
    await page.addInitScript({ path: iwer });
    await page.addInitScript(() => {
      window.headset = new IWER.XRDevice(IWER.metaQuest3);
      window.headset.installRuntime({ forceInstall: true }); // Chromium has a navigator.xr of its own
      // What is drawn, and into how many parts of the picture: one for each eye.
      window.drawn = { screens: 0, eyes: new Set() };
      const { drawArrays } = WebGL2RenderingContext.prototype;
      WebGL2RenderingContext.prototype.drawArrays = function (mode, ...rest) {
        if (mode === this.TRIANGLE_STRIP) {
          window.drawn.screens++;
          window.drawn.eyes.add(this.getParameter(this.VIEWPORT).join(" "));
        }
        return drawArrays.call(this, mode, ...rest);
      };
    });
    await page.goto(`${PAGE}/job/${await made({ perspective: "curious-cat" })}`);
    await reaches(page, "completed");
    await stage(page).getByRole("button", { name: "Step inside" }).click();
    const inside = page.getByTestId("immersive");
    for (const [name, mode] of [["Enter VR", "immersive-vr"], ["Enter AR", "immersive-ar"]]) {
      await page.getByRole("button", { name }).click();
      await page.locator(`[data-mode=${mode}]`).waitFor();
      await page.evaluate(() => {
        window.headset.stereoEnabled = true;
        window.drawn.screens = 0;
        window.drawn.eyes.clear();
      });
      await page.waitForFunction(() => window.drawn.screens >= 4 && window.drawn.eyes.size === 2);
      await page.evaluate(() => window.headset.activeSession.end());
      await page.locator("[data-mode=page]").waitFor();
    }
    // Without a headset one turns by keys, and sees another part of the film.
    await inside.focus();
    const before = await inside.screenshot();
    for (let times = 0; times < 8; times++) await page.keyboard.press("ArrowLeft");
    assert.notDeepEqual(await inside.screenshot(), before);
    await page.keyboard.press("Escape");
    await inside.waitFor({ state: "detached" });
  },
  { bypassCSP: true },
);
