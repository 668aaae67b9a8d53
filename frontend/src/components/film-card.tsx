import { useCallback } from "react";
import { CardPicture } from "@/components/card-picture";
import { usePage } from "@/shared/page";
import { useFetched } from "@/shared/use-fetched";

/** A film's still, or how its creature sees as long as there is none. Says nothing: its name stands beside. */
export function Poster({ base, perspective, isReady, known }: { base: string; perspective: string; isReady: boolean; known?: string | undefined }) {
  const { api } = usePage();
  const poster = useFetched(useCallback(async () => known ?? (isReady ? (await api.link(`${base}/poster`)).url : null), [api, base, isReady, known]));
  if (!poster.value) return <CardPicture id={perspective} className="aspect-video w-full" />;
  return <img src={poster.value} alt="" loading="lazy" decoding="async" className="aspect-video w-full bg-muted object-cover" />;
}
