// A headset, by WebXR: which kinds of session there are, and one from its beginning to its end.
import type { Scene, View } from "./scene";

/** What is used of https://www.w3.org/TR/webxr/; TypeScript's own library has none of it. */
interface XRViewLike {
  readonly projectionMatrix: Float32Array;
  readonly transform: { readonly inverse: { readonly matrix: Float32Array } };
}
interface XRFrameLike {
  getViewerPose(space: object): { readonly views: readonly XRViewLike[] } | null | undefined;
}
interface XRSessionLike extends EventTarget {
  requestReferenceSpace(type: "local"): Promise<object>;
  requestAnimationFrame(draw: (time: number, frame: XRFrameLike) => void): number;
  updateRenderState(state: { baseLayer: object }): void;
  end(): Promise<void>;
}
interface XRSystemLike {
  isSessionSupported(mode: Mode): Promise<boolean>;
  requestSession(mode: Mode): Promise<XRSessionLike>;
}
interface XRLayerLike {
  readonly framebuffer: WebGLFramebuffer | null;
  getViewport(view: XRViewLike): { x: number; y: number; width: number; height: number } | null;
}
declare const XRWebGLLayer: new (session: XRSessionLike, gl: WebGL2RenderingContext) => XRLayerLike;

export type Mode = "immersive-vr" | "immersive-ar";

const system = (): XRSystemLike | undefined => (navigator as { xr?: XRSystemLike }).xr;

export async function supportedModes(): Promise<Mode[]> {
  const modes: Mode[] = ["immersive-vr", "immersive-ar"];
  const are = await Promise.all(modes.map((mode) => system()?.isSessionSupported(mode).catch(() => false)));
  return modes.filter((_, index) => are[index]);
}

/** Shows the scene in a headset until the session ends; the function that it leaves ends it. Must be called from a click. Throws, with no session left, where it can't be shown. */
export async function enter(mode: Mode, scene: Scene, onEnd: () => void): Promise<() => Promise<void>> {
  const found = system();
  if (!found) throw new Error("no WebXR");
  const session = await found.requestSession(mode);
  session.addEventListener("end", onEnd);
  try {
    await show(session, scene, mode === "immersive-ar");
  } catch (error) {
    await session.end().catch(() => {});
    throw error;
  }
  return () => session.end();
}

async function show(session: XRSessionLike, scene: Scene, showsWorld: boolean): Promise<void> {
  const layer = new XRWebGLLayer(session, scene.gl);
  session.updateRenderState({ baseLayer: layer });
  const space = await session.requestReferenceSpace("local"); // its origin is the head, so the floor is where the creature's is
  const draw = (_time: number, frame: XRFrameLike) => {
    session.requestAnimationFrame(draw);
    const pose = frame.getViewerPose(space);
    if (!pose) return;
    const views = pose.views.flatMap((each): View[] => {
      const port = layer.getViewport(each);
      return port ? [{ projection: each.projectionMatrix, view: each.transform.inverse.matrix, viewport: [port.x, port.y, port.width, port.height] }] : [];
    });
    scene.draw(views, layer.framebuffer, showsWorld);
  };
  session.requestAnimationFrame(draw);
}
