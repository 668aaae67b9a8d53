import { Check, X } from "lucide-react";
import { useCallback, useEffect, useMemo, useState } from "react";
import { CreatureEye } from "@/components/creature-eye";
import { Button } from "@/components/ui/button";
import { Progress } from "@/components/ui/progress";
import { repeat } from "@/feed/polling-feed";
import type { JobView } from "@/shared/api";
import { cn } from "@/shared/cn";
import type { Perspective, Stage } from "@/shared/contract";
import { inWords } from "@/shared/duration";
import { useText } from "@/shared/i18n/language";
import { usePage } from "@/shared/page";
import { useFetched } from "@/shared/use-fetched";
import { type Expected, left, secondsToGo } from "./eta";
import { RollingFacts } from "./rolling-facts";

const STAGES: readonly Stage[] = ["loading", "rendering", "encoding", "uploading"];
/** The place in the queue and what is expected are only in the API's answer, not in Firestore's document. */
const OUTLOOK_EVERY_MS = 5_000;

/** A wish on its way: `job` is undefined as long as it is being sent. */
export function Wait({ job, perspective, onCancel }: { job: JobView | undefined; perspective: Perspective | undefined; onCancel: () => void }) {
  const text = useText();
  const { ahead, expected } = useOutlook(job);
  const now = useNow();
  const status = job?.status === "in_progress" ? "in_progress" : job ? "queued" : "sending";
  const toGo = expected && left(expected, now);
  const toGoS = !toGo && job ? secondsToGo(job, now) : null;
  return (
    <div className="flex flex-col gap-4">
      <Preview job={job} />
      <div role="status">
        <h2 className="text-xl font-bold">{text.wait.status[status]}</h2>
        {perspective && (
          <p lang="en" className="text-muted-foreground">
            {perspective.name}
          </p>
        )}
      </div>
      <Progress value={job?.progress ?? 0} label={text.wait.progress} />
      <ol aria-label={text.wait.stages} className="grid grid-cols-2 gap-x-3 gap-y-1 text-sm">
        {STAGES.map((stage, index) => {
          const at = job?.stage && status === "in_progress" ? STAGES.indexOf(job.stage) : -1;
          return (
            <li key={stage} aria-current={index === at ? "step" : undefined} className={cn("flex items-center gap-1.5", index === at ? "font-semibold" : "text-muted-foreground")}>
              {index < at ? <Check aria-hidden className="size-4" /> : <span aria-hidden className={cn("m-1 size-2 rounded-full", index === at ? "bg-primary" : "bg-border")} />}
              {text.wait.stage[stage]}
            </li>
          );
        })}
      </ol>
      <p className="min-h-6">
        {status === "queued" && ahead !== undefined && `${text.wait.ahead(ahead)} `}
        {toGo && text.wait.expected(inWords(toGo.seconds, text), inWords(toGo.low, text), inWords(toGo.high, text))}
        {toGoS != null && text.wait.eta(inWords(toGoS, text))}
      </p>
      {job && (
        <div className="flex flex-wrap items-center gap-3">
          <p className="flex-1 basis-48 text-sm text-muted-foreground">{text.wait.closeTab}</p>
          <Button variant="outline" onClick={onCancel}>
            <X aria-hidden /> {text.wait.cancel}
          </Button>
        </div>
      )}
      {perspective && <RollingFacts perspective={perspective} />}
    </div>
  );
}

/** A rough picture half-way; before that, an eye. */
function Preview({ job }: { job: JobView | undefined }) {
  const text = useText();
  const { api } = usePage();
  const path = job?.preview_path ? `/jobs/${job.job_id}/preview` : null;
  const preview = useFetched(useCallback(async () => (path ? (await api.link(path)).url : null), [api, path]));
  return (
    <div className="flex aspect-video items-center justify-center overflow-hidden rounded-md bg-muted">
      {preview.value ? <img src={preview.value} alt={text.wait.preview} className="size-full object-contain" /> : <CreatureEye className="h-1/2" />}
    </div>
  );
}

interface Outlook {
  readonly ahead?: number | undefined;
  readonly expected?: Expected | undefined;
}

function outlookOf(seen: JobView): Outlook {
  return { ahead: seen.queue_position, expected: seen.eta && { eta: seen.eta, askedAt: Date.now() } };
}

function useOutlook(job: JobView | undefined): Outlook {
  const { api } = usePage();
  const [outlook, setOutlook] = useState<Outlook>({});
  const [id, status] = [job?.job_id, job?.status];
  const isAnswer = job?.links !== undefined; // a document has none
  useEffect(() => {
    if (!id || isAnswer || (status !== "queued" && status !== "in_progress")) return;
    const stop = repeat(OUTLOOK_EVERY_MS, async (signal) => {
      try {
        const seen = await api.job(id, signal);
        if (!signal.aborted) setOutlook(outlookOf(seen));
        return "well";
      } catch {
        return "ill"; // it is for the feed to say so
      }
    });
    return () => {
      stop();
      setOutlook({});
    };
    // Asked anew when its work begins or is given back: what was expected before is not what is expected then.
  }, [api, id, status, isAnswer]);
  const told = useMemo(() => (job?.links ? outlookOf(job) : undefined), [job]);
  return told ?? { ahead: job?.queue_position ?? outlook.ahead, expected: outlook.expected };
}

function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}
