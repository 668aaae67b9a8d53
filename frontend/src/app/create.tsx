import { useEffect, useState } from "react";
import { ProblemAlert } from "@/components/problem-alert";
import { useJob } from "@/feed/use-feed";
import { Choose } from "@/features/choose/choose";
import { forget, remember } from "@/features/history/own-list";
import { anotherTake, draftOf, useDraft, wishOf } from "@/features/say/draft";
import { Say } from "@/features/say/say";
import type { JobView, Wish } from "@/shared/api";
import { hueOf } from "@/shared/colours";
import { useText } from "@/shared/i18n/language";
import { usePage } from "@/shared/page";
import { asProblem, type Problem } from "@/shared/problems";
import { send, sendingTo } from "@/shared/submission";
import type { Catalogues } from "./catalogues";
import { go } from "@/shared/route";
import { Stage } from "./stage";

/** Choose, say, wait, see. */
export function Create({ jobId, catalogues }: { jobId: string | undefined; catalogues: Catalogues }) {
  const text = useText();
  const { api, feed } = usePage();
  const { perspectives, themes, models } = catalogues;
  const [draft, change] = useDraft();
  const [isSending, setIsSending] = useState(false);
  const [refusal, setRefusal] = useState<{ problem: Problem; again: (() => void) | undefined }>(); // of a wish
  const [trouble, setTrouble] = useState<{ of: string; problem: Problem }>(); // of what was done with a job
  const [answered, setAnswered] = useState<JobView>();
  const watched = useJob(feed, jobId, answered);
  const lacking = themes.problem ?? models.problem;
  const job = jobId ? watched.value : undefined;
  const all = perspectives.value ?? [];
  const drafted = all.find((each) => each.id === draft.perspective);
  const shown = isSending ? drafted : (all.find((each) => each.id === job?.request?.perspective) ?? drafted);

  useEffect(() => {
    document.documentElement.style.setProperty("--hue", String(hueOf(drafted?.kind, draft.perspective)));
  }, [drafted, draft.perspective]);
  const isLaidOut = perspectives.value !== undefined;
  useEffect(() => {
    if (jobId && isLaidOut) toStage(); // who opens a film sees the film
  }, [jobId, isLaidOut]);
  useEffect(() => {
    if (job) remember(job);
    if (job === null && jobId) forget(jobId);
  }, [job, jobId]);

  /** `again` is the other try; none: what the form holds then. */
  const wish = async (wished: Wish, again?: () => void) => {
    setIsSending(true);
    setRefusal(undefined);
    const from = location.pathname;
    toStage();
    try {
      const sent = await send(wished, sendingTo(api), sessionStorage);
      remember(sent);
      setAnswered(sent);
      if (location.pathname === from) go({ at: "create", jobId: sent.job_id }); // who has gone elsewhere stays there
    } catch (error) {
      setRefusal({ problem: asProblem(error), again });
    } finally {
      setIsSending(false);
    }
  };
  const wishOnce = (wished: Wish): Promise<void> => wish(wished, () => wishOnce(wished));
  const withJob = async (call: (id: string) => Promise<JobView | null>) => {
    if (!jobId) return;
    setTrouble(undefined);
    try {
      const changed = await call(jobId);
      if (changed) setAnswered(changed);
      else {
        forget(jobId);
        go({ at: "create" });
      }
    } catch (error) {
      setTrouble({ of: jobId, problem: asProblem(error) });
    }
  };

  return (
    <>
      <div className="mb-5">
        <h1 className="text-3xl font-bold sm:text-4xl">{text.title}</h1>
        <p className="text-muted-foreground">{text.subtitle}</p>
      </div>
      <div className="grid items-start gap-6 lg:grid-cols-[minmax(0,1.25fr)_minmax(0,1fr)]">
        <div className="flex min-w-0 flex-col gap-6">
          {perspectives.problem && !perspectives.value && <ProblemAlert problem={perspectives.problem} heading={text.choose.failed} onRetry={catalogues.again} />}
          {!perspectives.value && !perspectives.problem && <p role="status">{text.loading}</p>}
          {perspectives.value && <Choose perspectives={all} chosen={draft.perspective} onChoose={(perspective) => change({ perspective })} />}
          {perspectives.value && lacking && <ProblemAlert problem={lacking} heading={text.say.failed} onRetry={catalogues.again} />}
          <Say
            draft={draft}
            change={change}
            perspective={drafted}
            themes={themes.value}
            themesChanged={themes.again}
            models={models.value ?? []}
            isSending={isSending}
            problem={refusal?.problem}
            onSubmit={() => wish(wishOf(draft, { own: themes.value?.own, scenes: drafted?.scenes }))}
            onRetry={refusal?.again}
          />
        </div>
        <div className="min-w-0 lg:sticky lg:top-4">
          <Stage
            key={jobId ?? ""}
            job={job}
            isSending={isSending}
            isLooking={jobId !== undefined && watched.value === undefined}
            trouble={trouble?.of === jobId ? trouble?.problem : undefined}
            problem={jobId ? watched.problem : undefined}
            perspective={shown}
            onCancel={() => withJob(api.cancel)}
            onDelete={() => withJob(api.remove)}
            onChanged={setAnswered}
            onAnotherTake={() => job?.request && wishOnce(anotherTake(job.request))}
            onRemix={() => {
              if (job?.request) change(draftOf(job.request));
              document.querySelector("textarea")?.focus();
            }}
          />
        </div>
      </div>
    </>
  );
}

/** On a phone the stage is below all that one chooses by. */
function toStage(): void {
  const stage = document.getElementById("stage");
  const behavior = matchMedia("(prefers-reduced-motion: reduce)").matches ? "instant" : "smooth";
  if (stage && stage.getBoundingClientRect().top > innerHeight / 2) stage.scrollIntoView({ behavior, block: "start" });
}
