// Two videos of the same clip, the second in step with the first.
import { type RefObject, useEffect } from "react";

/** Less than a frame at 24 a second: nobody sees it. */
export const APART_S = 0.04;
/** Up to here the second hurries or waits; a jump would show, and takes a slow machine longer than what it mends. */
const CATCH_UP_S = 0.3;

export interface Correction {
  /** How fast the second is to play. */
  readonly rate: number;
  /** Where it is to jump to; null: nowhere. */
  readonly goTo: number | null;
}

/** What brings the second in step. Both begin anew at `durationS`. */
export function correction(leaderS: number, followerS: number, durationS: number, isPaused: boolean): Correction {
  const ahead = leaderS - followerS;
  const behindS = durationS > 0 && Number.isFinite(durationS) ? ahead - durationS * Math.round(ahead / durationS) : ahead;
  if (Math.abs(behindS) <= APART_S) return { rate: 1, goTo: null };
  if (isPaused || Math.abs(behindS) > CATCH_UP_S) return { rate: 1, goTo: leaderS };
  return { rate: 1 + 2 * Math.max(-0.25, Math.min(0.25, behindS)), goTo: null };
}

export function useInStep(leader: RefObject<HTMLVideoElement | null>, follower: RefObject<HTMLVideoElement | null>): void {
  useEffect(() => {
    let frame = 0;
    const step = () => {
      const first = leader.current;
      const second = follower.current;
      if (first && second && second.readyState > 0 && !second.seeking) {
        const { rate, goTo } = correction(first.currentTime, second.currentTime, first.duration, first.paused);
        if (goTo !== null) second.currentTime = goTo;
        if (second.playbackRate !== rate) second.playbackRate = rate;
        if (first.paused && !second.paused) second.pause();
        if (!first.paused && second.paused) void second.play().catch(() => {});
      }
      frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, [leader, follower]);
}
