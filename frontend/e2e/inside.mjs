// Into the film with a headset that iwer plays: a session begins, draws the film for both eyes, and ends. What is drawn is
// read back, pixel by pixel, and compared with the film.
import { createRequire } from "node:module";
import { made, PAGE, reaches, shot, stage, story } from "./browser.mjs";

const iwer = createRequire(import.meta.url).resolve("iwer").replace(/(.*\/iwer\/).*/, "$1build/iwer.min.js");

await story(
  async (page) => {
    await page.addInitScript({ path: iwer });
    await page.addInitScript(headset);
    await page.goto(`${PAGE}/job/${await made({ perspective: "curious-cat" })}`);
    await reaches(page, "completed");
    await stage(page).getByRole("button", { name: "Step inside" }).click();
    const inside = page.getByTestId("immersive");
    for (const [name, mode] of [["Enter VR", "immersive-vr"], ["Enter AR", "immersive-ar"]]) {
      await page.getByRole("button", { name }).click();
      await page.locator(`[data-mode=${mode}]`).waitFor();
      await page.evaluate(() => {
        window.headset.stereoEnabled = true;
        window.seen.eyes.clear();
        window.seen.pictures.clear();
      });
      // Both eyes see the middle of the film, and it moves.
      await page.waitForFunction(() => {
        const { eyes, pictures } = window.seen;
        return eyes.size === 2 && pictures.size >= 3 && [...eyes.values()].every(({ offBy, brightest }) => offBy < 24 && brightest > 16);
      });
      if (mode === "immersive-vr") await shot(page, "headset");
      // Who turns round sees that the film stays where it was.
      await page.evaluate(() => window.headset.quaternion.set(0, 1, 0, 0));
      await page.waitForFunction(() => [...window.seen.eyes.values()].every(({ offBy }) => offBy > 24));
      await page.evaluate(() => window.headset.quaternion.set(0, 0, 0, 1)); // where one looks at the end, the next session begins
      await page.waitForFunction(() => [...window.seen.eyes.values()].every(({ offBy }) => offBy < 24));
      await page.evaluate(() => window.headset.activeSession.end());
      await page.locator("[data-mode=page]").waitFor();
    }
    // Without a headset one turns by keys, away from the film, and back by dragging.
    const looksAt = (isFilm) => page.waitForFunction((wanted) => [...window.seen.eyes.values()].some(({ offBy }) => offBy < 24 === wanted), isFilm);
    await page.evaluate(() => window.seen.eyes.clear());
    await looksAt(true);
    await inside.focus();
    for (let times = 0; times < 20; times++) await page.keyboard.press("ArrowLeft");
    await page.evaluate(() => window.seen.eyes.clear());
    await looksAt(false);
    const { x, y, width } = await inside.boundingBox();
    await page.mouse.move(x + width - 10, y + 50);
    await page.mouse.down();
    await page.mouse.move(x + width - 510, y + 50, { steps: 5 });
    await page.mouse.up();
    await page.evaluate(() => window.seen.eyes.clear());
    await looksAt(true);
    await page.keyboard.press("Escape");
    await inside.waitFor({ state: "detached" });
  },
  { bypassCSP: true },
);

/** In the page, before its own scripts: a headset, and what its eyes see in the middle each time the film is drawn. */
function headset() {
  window.headset = new IWER.XRDevice(IWER.metaQuest3);
  window.headset.installRuntime({ forceInstall: true }); // Chromium has a navigator.xr of its own
  window.seen = { eyes: new Map(), pictures: new Set() };
  const SIDE = 8;
  const film = new OffscreenCanvas(SIDE, SIDE).getContext("2d", { willReadFrequently: true });
  const mean = (pixels) => [0, 1, 2].map((colour) => pixels.filter((_, at) => at % 4 === colour).reduce((sum, value) => sum + value, 0) / SIDE ** 2);
  const { drawArrays } = WebGL2RenderingContext.prototype;
  WebGL2RenderingContext.prototype.drawArrays = function (mode, ...rest) {
    drawArrays.call(this, mode, ...rest);
    const video = document.querySelector("[role=dialog] video");
    if (mode !== this.TRIANGLE_STRIP || !video) return;
    const [x, y, width, height] = this.getParameter(this.VIEWPORT);
    const pixels = new Uint8Array(4 * SIDE ** 2);
    this.readPixels(x + width / 2 - SIDE / 2, y + height / 2 - SIDE / 2, SIDE, SIDE, this.RGBA, this.UNSIGNED_BYTE, pixels);
    const { videoWidth, videoHeight } = video;
    const part = Math.max(1, videoWidth / 64);
    film.drawImage(video, (videoWidth - part) / 2, (videoHeight - part) / 2, part, part, 0, 0, SIDE, SIDE);
    const [drawn, wanted] = [mean(pixels), mean(film.getImageData(0, 0, SIDE, SIDE).data)];
    window.seen.eyes.set(`${x} ${y}`, { offBy: Math.max(...drawn.map((each, at) => Math.abs(each - wanted[at]))), brightest: Math.max(...drawn), drawn, wanted });
    window.seen.pictures.add(pixels.join());
  };
}
