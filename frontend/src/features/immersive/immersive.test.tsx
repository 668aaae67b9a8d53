import { cleanup, configure, fireEvent, render, screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import Immersive from "./immersive";
import type { Scene } from "./scene";

configure({ asyncUtilTimeout: 20_000 });

// There is no WebGL here.
vi.mock("./scene", () => ({ makeScene: (): Scene => ({ gl: {} as WebGL2RenderingContext, widthDeg: 90, draw: () => {}, end: () => {} }) }));

/** A headset's session: what was asked of it. */
class Session extends EventTarget {
  isEnded = false;
  requestReferenceSpace = async () => ({});
  requestAnimationFrame = () => 0;
  updateRenderState = () => {};
  end = async () => {
    this.isEnded = true;
    this.dispatchEvent(new Event("end"));
  };
}

/** A browser with a headset, which asks the person first. */
class Headset {
  readonly sessions: Session[] = [];
  asks: Promise<void> = Promise.resolve();
  isSessionSupported = async (mode: string) => mode === "immersive-vr";
  requestSession = async () => {
    await this.asks;
    const session = new Session();
    this.sessions.push(session);
    return session;
  };
}

let headset: Headset;
let layers: "work" | "throw";
beforeEach(() => {
  headset = new Headset();
  layers = "work";
  Object.defineProperty(navigator, "xr", { value: headset, configurable: true });
  vi.stubGlobal(
    "XRWebGLLayer",
    class {
      readonly framebuffer = null;
      constructor() {
        if (layers === "throw") throw new Error("the context is not compatible");
      }
    },
  );
});
afterEach(() => {
  cleanup();
  vi.unstubAllGlobals();
  Reflect.deleteProperty(navigator, "xr");
});

async function stepIn() {
  const shown = render(<Immersive src="film.mp4" name="Night owl" fieldDeg={90} eyeHeightM={1} onClose={() => {}} />);
  fireEvent.loadedData(document.querySelector("video") as HTMLVideoElement);
  return { ...shown, vr: await screen.findByRole("button", { name: "Enter VR" }) };
}

test("a session that can't show the film is ended and told of, and another try forgets it", async () => {
  const { vr } = await stepIn();
  layers = "throw";
  await userEvent.click(vr);
  await screen.findByRole("alert");
  expect(headset.sessions.map((each) => each.isEnded)).toEqual([true]);
  layers = "work";
  await userEvent.click(vr);
  await waitFor(() => expect(screen.getByTestId("immersive").dataset.mode).toBe("immersive-vr"));
  expect(screen.queryByRole("alert")).toBeNull();
});

test("who closes the film while the browser still asks is not left in a session", async () => {
  const answers: (() => void)[] = [];
  headset.asks = new Promise((resolve) => void answers.push(resolve));
  const { vr, unmount } = await stepIn();
  await userEvent.click(vr);
  unmount();
  answers[0]?.();
  await waitFor(() => expect(headset.sessions.map((each) => each.isEnded)).toEqual([true]));
});

test("who closes the film in a headset leaves it", async () => {
  const { vr, unmount } = await stepIn();
  await userEvent.click(vr);
  await waitFor(() => expect(screen.getByTestId("immersive").dataset.mode).toBe("immersive-vr"));
  unmount();
  expect(headset.sessions.map((each) => each.isEnded)).toEqual([true]);
});
