// Two videos of the same clip, the second in step with the first.
import { type RefObject, useEffect } from "react";

/** Less than a frame at 24 a second: nobody sees it. */
export const APART_S = 0.04;

/** Where the follower must go; null: it is near enough. `duration` is where both begin anew. */
export function correction(leaderS: number, followerS: number, durationS: number): number | null {
  const apart = Math.abs(leaderS - followerS);
  const around = Number.isFinite(durationS) && durationS > 0 ? Math.min(apart, Math.abs(durationS - apart)) : apart;
  return around > APART_S ? leaderS : null;
}

export function useInStep(leader: RefObject<HTMLVideoElement | null>, follower: RefObject<HTMLVideoElement | null>): void {
  useEffect(() => {
    let frame = 0;
    const step = () => {
      const first = leader.current;
      const second = follower.current;
      if (first && second && second.readyState > 0 && !second.seeking) {
        const goTo = correction(first.currentTime, second.currentTime, first.duration);
        if (goTo !== null) second.currentTime = goTo;
        if (first.paused !== second.paused) {
          if (first.paused) second.pause();
          else void second.play().catch(() => {});
        }
      }
      frame = requestAnimationFrame(step);
    };
    frame = requestAnimationFrame(step);
    return () => cancelAnimationFrame(frame);
  }, [leader, follower]);
}
