import { Play } from "lucide-react";
import { type ComponentType, useState } from "react";
import { Empty } from "@/components/empty";
import { Poster } from "@/components/film-card";
import { ProblemAlert } from "@/components/problem-alert";
import { Dialog, DialogContent, DialogTitle } from "@/components/ui/dialog";
import type { Film } from "@/shared/api";
import type { Perspective } from "@/shared/contract";
import { useText } from "@/shared/i18n/language";
import { usePage } from "@/shared/page";
import { useFetched } from "@/shared/use-fetched";

interface GalleryProps {
  readonly perspectives: readonly Perspective[];
  /** Shows a film, whose links begin like this. */
  readonly Player: ComponentType<{ base: string; name: string; film: Film }>;
}

/** Films that everybody shares and that are ready: no waiting. */
export default function Gallery({ perspectives, Player }: GalleryProps) {
  const text = useText();
  const { api } = usePage();
  const films = useFetched(api.gallery);
  const [watched, setWatched] = useState<Film | null>(null);
  const nameOf = (film: Film) => perspectives.find((each) => each.id === film.perspective)?.name ?? film.perspective;
  return (
    <section className="flex flex-col gap-4">
      <h1 className="text-3xl font-bold">{text.gallery.heading}</h1>
      <p className="text-muted-foreground">{text.gallery.subtitle}</p>
      {films.problem && <ProblemAlert problem={films.problem} heading={text.gallery.failed} onRetry={films.again} />}
      {!films.value && !films.problem && <p role="status">{text.loading}</p>}
      {films.value?.length === 0 && <Empty says={text.gallery.empty} />}
      <ul className="grid grid-cols-2 gap-4 lg:grid-cols-4">
        {films.value?.map((film) => (
          <li key={film.render_key}>
            <button type="button" aria-label={text.gallery.watch(nameOf(film))} onClick={() => setWatched(film)} className="group relative w-full overflow-hidden rounded-lg border bg-card text-left">
              <Poster base={baseOf(film)} perspective={film.perspective} isReady known={film.poster?.url} />
              <Play aria-hidden className="absolute top-2 right-2 size-8 rounded-full bg-black/70 p-2 text-white" />
              <span lang="en" className="block p-3 font-semibold">
                {nameOf(film)}
              </span>
            </button>
          </li>
        ))}
      </ul>
      <Dialog open={watched !== null} onOpenChange={(isOpen) => !isOpen && setWatched(null)}>
        {watched && (
          <DialogContent className="max-w-2xl">
            <DialogTitle lang="en">{nameOf(watched)}</DialogTitle>
            <Player base={baseOf(watched)} name={nameOf(watched)} film={watched} />
          </DialogContent>
        )}
      </Dialog>
    </section>
  );
}

/** What its links have in common: the API names each of them. */
const baseOf = (film: Film): string => (film.links.video ?? `/gallery/${film.render_key}/video`).replace(/\/video$/, "");
