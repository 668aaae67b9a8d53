import { useEffect } from "react";
import { linkTo } from "@/shared/route";
import { Empty } from "@/components/empty";
import { Poster } from "@/components/film-card";
import { ProblemAlert } from "@/components/problem-alert";
import { useMyJobs } from "@/feed/use-feed";
import type { Perspective } from "@/shared/contract";
import { useLanguage } from "@/shared/i18n/language";
import { usePage } from "@/shared/page";
import { remember, rememberedJobs } from "./own-list";

/** One's own films, as they change. */
export default function History({ perspectives }: { perspectives: readonly Perspective[] }) {
  const { text, language } = useLanguage();
  const { feed } = usePage();
  const mine = useMyJobs(feed);
  const jobs = mine.value ?? rememberedJobs();
  useEffect(() => mine.value?.toReversed().forEach((job) => remember(job)), [mine.value]);
  const nameOf = (id: string | undefined) => perspectives.find((each) => each.id === id)?.name ?? id ?? "?";
  const when = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });
  return (
    <section className="flex flex-col gap-4">
      <h1 className="text-3xl font-bold">{text.films.heading}</h1>
      {mine.value === null && <p className="text-muted-foreground">{text.films.notListed}</p>}
      {mine.problem && <ProblemAlert problem={mine.problem} heading={text.films.failed} onRetry={mine.again} />}
      {jobs.length === 0 && mine.value !== undefined && <Empty says={text.films.empty} />}
      {jobs.length === 0 && mine.value === undefined && !mine.problem && <p role="status">{text.loading}</p>}
      <ul className="grid gap-4 sm:grid-cols-2 lg:grid-cols-4">
        {jobs.map((job) => (
          <li key={job.job_id} className="relative overflow-hidden rounded-lg border bg-card has-focus-visible:outline-3 has-focus-visible:outline-ring">
            <Poster base={`/jobs/${job.job_id}`} perspective={job.request?.perspective ?? ""} isReady={job.status === "completed"} />
            <div className="flex flex-col gap-0.5 p-3">
              <a {...linkTo({ at: "create", jobId: job.job_id })} lang="en" className="font-semibold after:absolute after:inset-0">
                {nameOf(job.request?.perspective)}
              </a>
              {job.request?.prompt && <p className="line-clamp-2 text-sm">{job.request.prompt}</p>}
              <p className="text-sm text-muted-foreground">
                {text.wait.status[job.status]}
                {job.status === "in_progress" && ` · ${job.progress} %`} · {when.format(new Date(job.created_at))}
              </p>
            </div>
          </li>
        ))}
      </ul>
    </section>
  );
}
