// Where a film lies: signed links, which end; a new one is made before that, or when a video says that it can't be read.
import { useCallback, useEffect } from "react";
import type { Api } from "@/shared/api";
import { usePage } from "@/shared/page";
import { type Fetched, useFetched } from "@/shared/use-fetched";

export interface FilmLinks {
  readonly video: string;
  readonly poster: string;
  /** The same clip as drawn; null: no eye has changed it, or there is none. */
  readonly human: string | null;
  readonly endsAt: number;
}

const RENEWED_BEFORE_MS = 60_000;

export async function filmLinks(api: Pick<Api, "link">, base: string): Promise<FilmLinks> {
  const [video, poster, human] = await Promise.all([api.link(`${base}/video`), api.link(`${base}/poster`), api.link(`${base}/human-view`).catch(() => null)]);
  return { video: video.url, poster: poster.url, human: human?.url ?? null, endsAt: Date.parse(video.expires_at) };
}

/** Links of `/jobs/{id}`, `/gallery/{key}` or `/shared/{token}`. */
export function useFilmLinks(base: string): Fetched<FilmLinks> {
  const { api } = usePage();
  const links = useFetched(useCallback(() => filmLinks(api, base), [api, base]));
  const { value, problem, again } = links;
  useEffect(() => {
    if (!value) return;
    const timer = setTimeout(again, Math.max(RENEWED_BEFORE_MS, Math.min(value.endsAt - Date.now() - RENEWED_BEFORE_MS, 2 ** 31 - 1)));
    return () => clearTimeout(timer);
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- after a renewal that failed there is another
  }, [value, problem, again]);
  return links;
}
