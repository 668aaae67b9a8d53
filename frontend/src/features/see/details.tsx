import { ChevronDown } from "lucide-react";
import { useCallback, useState } from "react";
import { ProblemAlert } from "@/components/problem-alert";
import type { JobView } from "@/shared/api";
import type { Usage } from "@/shared/contract";
import { inWords } from "@/shared/duration";
import { useLanguage } from "@/shared/i18n/language";
import { usePage } from "@/shared/page";
import { useFetched } from "@/shared/use-fetched";
import { costInWords } from "./cost";

/** Seed, model, cost, provenance. The receipt is fetched when somebody looks. */
export function Details({ job }: { job: JobView }) {
  const { text, language } = useLanguage();
  const [isOpen, setIsOpen] = useState(false);
  const { request, video } = job;
  return (
    <details className="group" onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary className="flex w-fit items-center gap-1 text-sm font-semibold">
        <ChevronDown aria-hidden className="size-4 transition-transform group-open:rotate-180" /> {text.see.details}
      </summary>
      <dl className="mt-3 grid grid-cols-[auto_1fr] gap-x-4 gap-y-1 text-sm [&_dd]:break-words [&_dt]:text-muted-foreground">
        {request?.prompt && <Entry name={text.see.words} value={request.prompt} />}
        {request?.theme && <Entry name={text.see.theme} value={request.theme} />}
        {request?.model && <Entry name={text.see.model} value={request.model} />}
        {request?.seed != null && <Entry name={text.see.seed} value={String(request.seed)} />}
        {video && <Entry name={text.see.size} value={`${video.width} × ${video.height}`} />}
        {video && <Entry name={text.see.length} value={text.say.secondsOf(Number(video.duration_s.toFixed(2)))} />}
        {job.cost && <Entry name={text.see.cost} value={costInWords(job.cost, language, text)} />}
        {isOpen && <Work jobId={job.job_id} />}
      </dl>
      <p className="mt-2 text-sm">{text.see.madeBy}</p>
    </details>
  );
}

function Entry({ name, value }: { name: string; value: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </>
  );
}

function Work({ jobId }: { jobId: string }) {
  const { text } = useLanguage();
  const { api } = usePage();
  const receipt = useFetched(
    useCallback(async () => {
      const { url } = await api.link(`/jobs/${jobId}/receipt`);
      const { usage } = (await (await fetch(url)).json()) as { usage: Usage };
      return { url, usage };
    }, [api, jobId]),
  );
  if (receipt.problem) return <dd className="col-span-2"><ProblemAlert problem={receipt.problem} onRetry={receipt.again} /></dd>;
  if (!receipt.value) return <dd className="col-span-2">{text.loading}</dd>;
  const { usage, url } = receipt.value;
  return (
    <>
      <Entry name={text.see.device} value={usage.device} />
      <Entry name={text.see.work} value={inWords(Math.max(1, usage.whole_s || usage.render_s), text)} />
      <dd className="col-span-2">
        <a href={url} className="underline">
          {text.see.receipt}
        </a>
      </dd>
    </>
  );
}
