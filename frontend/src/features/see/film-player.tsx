import { Pause, Play } from "lucide-react";
import { type ReactNode, useRef, useState } from "react";
import { Button } from "@/components/ui/button";
import { useText } from "@/shared/i18n/language";
import type { FilmLinks } from "./film-links";
import { useInStep } from "./in-step";

/** A film that a new link did not help can't be played; later its link may have ended again. */
const RENEWED_EVERY_MS = 60_000;

interface FilmPlayerProps {
  readonly links: FilmLinks;
  /** The creature's. */
  readonly name: string;
  readonly width: number;
  readonly height: number;
  /** A link may have ended. */
  readonly onUnreadable: () => void;
  readonly children?: ReactNode;
}

/** The film; over it, up to a line that one can move, the same clip as a person sees it. */
export function FilmPlayer({ links, name, width, height, onUnreadable, children }: FilmPlayerProps) {
  const text = useText();
  const film = useRef<HTMLVideoElement>(null);
  const human = useRef<HTMLVideoElement>(null);
  const [percent, setPercent] = useState(50);
  const [isPlaying, setIsPlaying] = useState(false);
  const [isBroken, setIsBroken] = useState(false);
  const triedAt = useRef(Number.NEGATIVE_INFINITY);
  useInStep(film, human);
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;

  const toggle = () => {
    if (film.current?.paused) void film.current.play().catch(() => setIsBroken(true));
    else film.current?.pause();
  };
  const failed = () => {
    const now = performance.now();
    if (now - triedAt.current < RENEWED_EVERY_MS) return setIsBroken(true);
    triedAt.current = now;
    onUnreadable();
  };
  const same = { muted: true, loop: true, playsInline: true, crossOrigin: "anonymous", preload: "auto" } as const;
  return (
    <figure className="flex flex-col gap-3">
      <div className="relative overflow-hidden rounded-md bg-muted" style={{ aspectRatio: `${width} / ${height}`, maxHeight: "70dvh", marginInline: "auto", width: `min(100%, calc(70dvh * ${width / height}))` }}>
        <video
          ref={film}
          data-testid="film"
          aria-label={text.see.player(name)}
          src={links.video}
          poster={links.poster}
          autoPlay={!isStill}
          {...same}
          className="size-full"
          onPlay={() => setIsPlaying(true)}
          onPause={() => setIsPlaying(false)}
          onLoadedMetadata={(event) => setIsBroken(event.currentTarget.videoWidth === 0)}
          onError={failed}
        />
        {links.human && (
          <>
            <video ref={human} data-testid="human-film" aria-hidden tabIndex={-1} src={links.human} {...same} className="pointer-events-none absolute inset-0 size-full" style={{ clipPath: `inset(0 ${100 - percent}% 0 0)` }} />
            <div aria-hidden className="pointer-events-none absolute inset-y-0 w-0.5 bg-white shadow-[0_0_4px_black]" style={{ left: `${percent}%` }} />
            <span className="pointer-events-none absolute top-2 left-2 rounded-full bg-black/75 px-2.5 py-0.5 text-sm text-white">{text.see.person}</span>
            <span lang="en" className="pointer-events-none absolute top-2 right-2 rounded-full bg-black/75 px-2.5 py-0.5 text-sm text-white">
              {name}
            </span>
            <input
              type="range"
              min={0}
              max={100}
              value={percent}
              aria-label={text.see.compare(name)}
              aria-valuetext={text.wait.percent(100 - percent)}
              onChange={(event) => setPercent(Number(event.target.value))}
              className="peer absolute inset-0 size-full cursor-ew-resize opacity-0"
            />
            <div aria-hidden className="pointer-events-none absolute inset-0 hidden rounded-md border-4 border-ring peer-focus-visible:block" />
          </>
        )}
      </div>
      {isBroken && <p role="alert">{text.see.unplayable}</p>}
      <figcaption className="flex flex-wrap items-center gap-2">
        <Button variant="outline" onClick={toggle}>
          {isPlaying ? <Pause aria-hidden /> : <Play aria-hidden />}
          {isPlaying ? text.see.pause : text.see.play}
        </Button>
        {children}
      </figcaption>
    </figure>
  );
}
