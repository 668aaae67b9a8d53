import { Download, Glasses, Pencil, RefreshCw, Trash2 } from "lucide-react";
import { useState } from "react";
import { ProblemAlert } from "@/components/problem-alert";
import { Button } from "@/components/ui/button";
import type { JobView } from "@/shared/api";
import type { Perspective, Video } from "@/shared/contract";
import { useText } from "@/shared/i18n/language";
import { Details } from "./details";
import { useFilmLinks } from "./film-links";
import { FilmPlayer } from "./film-player";
import { ShareButton } from "./share-button";

interface SeeProps {
  readonly job: JobView & { video: Video };
  readonly perspective: Perspective | undefined;
  readonly onAnotherTake: () => void;
  readonly onRemix: () => void;
  readonly onDelete: () => void;
  /** The job is otherwise now. */
  readonly onChanged: (job: JobView) => void;
  /** Into the film, whose video lies there. */
  readonly onStepInside: (src: string) => void;
}

/** A film that is ready, and all that one can do with it. */
export function See({ job, perspective, onAnotherTake, onRemix, onDelete, onChanged, onStepInside }: SeeProps) {
  const text = useText();
  const links = useFilmLinks(`/jobs/${job.job_id}`);
  const [isSure, setIsSure] = useState(false);
  const video = links.value?.video ?? "";
  const name = perspective?.name ?? job.request?.perspective ?? "";
  return (
    <div className="flex flex-col gap-4">
      <h2 lang="en" className="text-xl font-bold">
        {name}
      </h2>
      {links.problem && !links.value && (links.problem.code === "no_video" ? <p>{text.see.gone}</p> : <ProblemAlert problem={links.problem} onRetry={links.again} />)}
      {links.value && (
        <FilmPlayer links={links.value} name={name} width={job.video.width} height={job.video.height} onUnreadable={links.again}>
          <Button onClick={onAnotherTake}>
            <RefreshCw aria-hidden /> {text.see.another}
          </Button>
          <Button variant="outline" onClick={onRemix}>
            <Pencil aria-hidden /> {text.see.remix}
          </Button>
          <Button variant="outline" onClick={() => onStepInside(video)}>
            <Glasses aria-hidden /> {text.see.immersive}
          </Button>
          <Button variant="outline" asChild>
            <a href={links.value.video} download>
              <Download aria-hidden /> {text.see.download}
            </a>
          </Button>
          <ShareButton job={job} onChanged={onChanged} />
          {isSure ? (
            <Button variant="destructive" onClick={onDelete}>
              {text.see.deleteSure}
            </Button>
          ) : (
            <Button variant="ghost" size="icon" aria-label={text.see.delete} onClick={() => setIsSure(true)}>
              <Trash2 aria-hidden />
            </Button>
          )}
        </FilmPlayer>
      )}
      <Details job={job} />
    </div>
  );
}
