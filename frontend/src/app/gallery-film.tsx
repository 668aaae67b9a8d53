import { useEffect, useRef, useState } from "react";
import { ProblemAlert } from "@/components/problem-alert";
import { Button } from "@/components/ui/button";
import { remember } from "@/features/history/own-list";
import { LoneFilm } from "@/features/see/lone-film";
import type { Film } from "@/shared/api";
import { useText } from "@/shared/i18n/language";
import { usePage } from "@/shared/page";
import { asProblem, type Problem } from "@/shared/problems";
import { go } from "@/shared/route";
import { send, sendingTo } from "@/shared/submission";

/** A film of the gallery. Who wishes the same has it at once, as one of their own. */
export function GalleryFilm({ base, name, film }: { base: string; name: string; film: Film }) {
  const text = useText();
  const { api } = usePage();
  const [problem, setProblem] = useState<Problem>();
  const [isSending, setIsSending] = useState(false);
  const isGone = useRef(false);
  useEffect(() => {
    isGone.current = false;
    return () => {
      isGone.current = true;
    };
  }, []);
  const keep = async () => {
    setIsSending(true);
    setProblem(undefined);
    try {
      const job = await send(film.wish, sendingTo(api), sessionStorage);
      remember(job);
      if (!isGone.current) go({ at: "create", jobId: job.job_id });
    } catch (error) {
      setProblem(asProblem(error));
    } finally {
      setIsSending(false);
    }
  };
  return (
    <>
      <LoneFilm base={base} name={name} video={film.video}>
        <Button onClick={keep} disabled={isSending}>
          {isSending ? text.say.sending : text.gallery.keep}
        </Button>
      </LoneFilm>
      {problem && <ProblemAlert problem={problem} />}
    </>
  );
}
