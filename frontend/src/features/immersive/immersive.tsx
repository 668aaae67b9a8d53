import { LogOut } from "lucide-react";
import { type KeyboardEvent, type PointerEvent, useEffect, useRef, useState } from "react";
import { Button } from "@/components/ui/button";
import { Dialog, DialogContent, DialogDescription, DialogTitle } from "@/components/ui/dialog";
import { useText } from "@/shared/i18n/language";
import { AHEAD, type Look, projection, turned, turnedByKey, viewMatrix } from "./looking";
import { makeScene, type Scene } from "./scene";
import { enter, type Mode, supportedModes } from "./xr";

interface ImmersiveProps {
  readonly src: string;
  readonly name: string;
  readonly fieldDeg: number;
  readonly eyeHeightM: number;
  readonly onClose: () => void;
}

/** What a person looks at without a headset. */
const VERTICAL_DEG = 70;
const DRAG_DEG_PER_PX = 0.2;

/** The film on a curved screen around oneself: in a headset, or on the page, where one drags to look around. */
export default function Immersive({ src, name, fieldDeg, eyeHeightM, onClose }: ImmersiveProps) {
  const text = useText();
  const canvas = useRef<HTMLCanvasElement>(null);
  const video = useRef<HTMLVideoElement>(null);
  const look = useRef<Look>(AHEAD);
  const leave = useRef<(() => Promise<void>) | null>(null);
  const isGone = useRef(false);
  const [scene, setScene] = useState<Scene>();
  const [modes, setModes] = useState<readonly Mode[]>([]);
  const [mode, setMode] = useState<Mode | null>(null);
  const [isFailed, setIsFailed] = useState(false);

  useEffect(() => void supportedModes().then(setModes), []);
  useEffect(() => () => scene?.end(), [scene]);
  useEffect(() => {
    isGone.current = false;
    return () => {
      isGone.current = true;
      void leave.current?.().catch(() => {});
    };
  }, []);
  useEffect(() => {
    if (!scene || mode) return;
    let frame = 0;
    const draw = () => {
      const { width, height } = fitted(canvas.current);
      scene.draw([{ projection: projection(VERTICAL_DEG, width / height), view: viewMatrix(look.current), viewport: [0, 0, width, height] }], null, false);
      frame = requestAnimationFrame(draw);
    };
    frame = requestAnimationFrame(draw);
    return () => cancelAnimationFrame(frame);
  }, [scene, mode]);

  const begin = () => {
    if (scene || !canvas.current || !video.current) return;
    void video.current.play().catch(() => {});
    try {
      setScene(makeScene(canvas.current, video.current, fieldDeg, eyeHeightM));
    } catch {
      setIsFailed(true);
    }
  };
  const start = async (wanted: Mode) => {
    if (!scene) return;
    setIsFailed(false);
    void video.current?.play().catch(() => {});
    try {
      const end = await enter(wanted, scene, () => {
        leave.current = null;
        setMode(null);
      });
      if (isGone.current) return void end().catch(() => {}); // closed while the browser asked
      leave.current = end;
      setMode(wanted);
    } catch {
      setIsFailed(true);
    }
  };
  const drag = (event: PointerEvent) => {
    if (event.buttons) look.current = turned(look.current, event.movementX * DRAG_DEG_PER_PX, event.movementY * DRAG_DEG_PER_PX);
  };
  const press = (event: KeyboardEvent) => {
    const after = turnedByKey(look.current, event.key);
    if (!after) return;
    event.preventDefault();
    look.current = after;
  };

  return (
    <Dialog open onOpenChange={(isOpen) => !isOpen && onClose()}>
      <DialogContent className="max-w-5xl">
        <DialogTitle>
          {text.immersive.heading}: <span lang="en">{name}</span>
        </DialogTitle>
        <DialogDescription>{text.immersive.hint}</DialogDescription>
        <canvas
          ref={canvas}
          data-testid="immersive"
          data-mode={mode ?? "page"}
          tabIndex={0}
          // oxlint-disable-next-line jsx-a11y/no-interactive-element-to-noninteractive-role -- keys turn the view, and nothing else
          role="application"
          aria-label={text.immersive.canvas(scene?.widthDeg ?? Math.round(fieldDeg))}
          className="aspect-video w-full cursor-grab touch-none rounded-md bg-black"
          onPointerMove={drag}
          onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
          onKeyDown={press}
        />
        <video ref={video} src={src} crossOrigin="anonymous" muted loop autoPlay playsInline aria-hidden tabIndex={-1} className="pointer-events-none fixed size-px opacity-0" onLoadedData={begin} onError={() => setIsFailed(true)} />
        {isFailed && <p role="alert">{text.immersive.failed}</p>}
        <div className="flex flex-wrap gap-2">
          {scene &&
            modes.map((each) => (
              <Button key={each} onClick={() => start(each)} disabled={mode !== null}>
                {each === "immersive-vr" ? text.immersive.vr : text.immersive.ar}
              </Button>
            ))}
          {mode && (
            <Button variant="outline" onClick={() => void leave.current?.().catch(() => {})}>
              <LogOut aria-hidden /> {text.immersive.leave}
            </Button>
          )}
        </div>
      </DialogContent>
    </Dialog>
  );
}

/** The size of the canvas in pixels of the screen. */
function fitted(canvas: HTMLCanvasElement | null): { width: number; height: number } {
  if (!canvas) return { width: 1, height: 1 };
  const width = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
  const height = Math.max(1, Math.round(canvas.clientHeight * devicePixelRatio));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  return { width, height };
}
