import { Check, X } from "lucide-react";
import { useCallback, useEffect, useState } from "react";
import { CreatureEye } from "@/components/creature-eye";
import { Button } from "@/components/ui/button";
import { Progress } from "@/components/ui/progress";
import type { JobView } from "@/shared/api";
import { cn } from "@/shared/cn";
import type { Perspective, Stage } from "@/shared/contract";
import { inWords } from "@/shared/duration";
import { useText } from "@/shared/i18n/language";
import { usePage } from "@/shared/page";
import { useFetched } from "@/shared/use-fetched";
import { secondsToGo } from "./eta";
import { RollingFacts } from "./rolling-facts";

const STAGES: readonly Stage[] = ["loading", "rendering", "encoding", "uploading"];
/** The place in the queue is only in the API's answer, not in the document. */
const QUEUE_EVERY_MS = 5_000;

/** A wish on its way: `job` is undefined as long as it is being sent. */
export function Wait({ job, perspective, onCancel }: { job: JobView | undefined; perspective: Perspective | undefined; onCancel: () => void }) {
  const text = useText();
  const ahead = useQueuePosition(job);
  const now = useNow();
  const status = job?.status === "in_progress" ? "in_progress" : job ? "queued" : "sending";
  const toGoS = job && secondsToGo(job, now);
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
        {status === "queued" && ahead !== undefined && text.wait.ahead(ahead)}
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

function useQueuePosition(job: JobView | undefined): number | undefined {
  const { api } = usePage();
  const [ahead, setAhead] = useState<number>();
  const queuedId = job?.status === "queued" ? job.job_id : undefined;
  useEffect(() => {
    if (!queuedId) return;
    const asking = new AbortController();
    const ask = () => api.job(queuedId, asking.signal).then((seen) => setAhead(seen.queue_position), () => {});
    void ask();
    const timer = setInterval(ask, QUEUE_EVERY_MS);
    return () => {
      asking.abort();
      clearInterval(timer);
      setAhead(undefined);
    };
  }, [api, queuedId]);
  return job?.queue_position ?? ahead;
}

function useNow(): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  return now;
}
