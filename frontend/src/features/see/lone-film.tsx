import { ProblemAlert } from "@/components/problem-alert";
import { useText } from "@/shared/i18n/language";
import { useFilmLinks } from "./film-links";
import { FilmPlayer } from "./film-player";

/** A film that is not one's own: of the gallery, or shared. */
export function LoneFilm({ base, name, video, children }: { base: string; name: string; video: { width: number; height: number }; children?: React.ReactNode }) {
  const text = useText();
  const links = useFilmLinks(base);
  if (links.value) {
    return (
      <FilmPlayer links={links.value} name={name} width={video.width} height={video.height} onUnreadable={links.again}>
        {children}
      </FilmPlayer>
    );
  }
  return links.problem ? <ProblemAlert problem={links.problem} onRetry={links.again} /> : <p role="status">{text.loading}</p>;
}
