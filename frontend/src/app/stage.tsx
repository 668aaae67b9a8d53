import { lazy, Suspense, useState } from "react";
import { CreatureEye } from "@/components/creature-eye";
import { ProblemAlert } from "@/components/problem-alert";
import { Alert } from "@/components/ui/alert";
import { Button } from "@/components/ui/button";
import { Card } from "@/components/ui/card";
import { See } from "@/features/see/see";
import { Wait } from "@/features/wait/wait";
import type { JobView } from "@/shared/api";
import type { Perspective } from "@/shared/contract";
import { useText } from "@/shared/i18n/language";
import type { Problem } from "@/shared/problems";

const Immersive = lazy(() => import("@/features/immersive/immersive"));

interface StageProps {
  /** undefined: not known yet, or none was wished for; null: there is no such job. */
  readonly job: JobView | null | undefined;
  readonly isSending: boolean;
  readonly isLooking: boolean;
  /** Of what was done with the job. */
  readonly trouble: Problem | undefined;
  /** Of watching it. */
  readonly problem: Problem | undefined;
  readonly perspective: Perspective | undefined;
  readonly onCancel: () => void;
  readonly onAnotherTake: () => void;
  readonly onRemix: () => void;
  readonly onDelete: () => void;
  readonly onChanged: (job: JobView) => void;
}

/** What becomes of the wish: nothing yet, on its way, a film, or the reason why not. */
export function Stage({ job, isSending, isLooking, trouble, problem, perspective, onCancel, onAnotherTake, onRemix, onDelete, onChanged }: StageProps) {
  const text = useText();
  const [inside, setInside] = useState<string | null>(null);
  const content = () => {
    if (isSending) return <Wait job={undefined} perspective={perspective} onCancel={onCancel} />;
    if (job === null) return <p>{text.problem.missing}</p>;
    if (!job) return <Nothing says={isLooking ? text.loading : text.wait.empty} />;
    if (job.status === "queued" || job.status === "in_progress") return <Wait job={job} perspective={perspective} onCancel={onCancel} />;
    if (job.video) return <See key={job.job_id} job={{ ...job, video: job.video }} perspective={perspective} onAnotherTake={onAnotherTake} onRemix={onRemix} onDelete={onDelete} onChanged={onChanged} onStepInside={setInside} />;
    return <Ended job={job} perspective={perspective} onAnotherTake={onAnotherTake} onRemix={onRemix} />;
  };
  const told = trouble ?? (job?.status === "completed" ? undefined : problem); // nothing more is to be heard of a film
  const state = isSending ? "sending" : (job?.status ?? "empty");
  return (
    <Card data-testid="stage" data-state={state} id="stage" tabIndex={-1} aria-label={state === "empty" ? text.wait.empty : text.wait.status[state]} className="scroll-mt-4">
      {told && !isSending && <ProblemAlert problem={told} />}
      {content()}
      {inside && (
        <Suspense fallback={<p role="status">{text.loading}</p>}>
          <Immersive src={inside} name={perspective?.name ?? ""} fieldDeg={perspective?.optics.field_deg?.value ?? perspective?.optics.frame_deg ?? 90} eyeHeightM={perspective?.camera.height_m ?? 1.6} onClose={() => setInside(null)} />
        </Suspense>
      )}
    </Card>
  );
}

function Nothing({ says }: { says: string }) {
  return (
    <div className="flex aspect-video flex-col items-center justify-center gap-4 rounded-md bg-muted">
      <CreatureEye className="h-1/3" />
      <p role="status">{says}</p>
    </div>
  );
}

/** Failed or canceled: why, and how to go on. */
function Ended({ job, perspective, onAnotherTake, onRemix }: Pick<StageProps, "perspective" | "onAnotherTake" | "onRemix"> & { job: JobView }) {
  const text = useText();
  return (
    <div className="flex flex-col gap-4">
      <div role="status">
        <h2 className="text-xl font-bold">{text.wait.status[job.status]}</h2>
        {perspective && (
          <p lang="en" className="text-muted-foreground">
            {perspective.name}
          </p>
        )}
      </div>
      {job.error && (
        <Alert data-code={job.error.code}>
          <p>{text.problem.failed}</p>
          <p lang="en">{job.error.message}</p>
        </Alert>
      )}
      {job.request && (
        <div className="flex flex-wrap gap-2">
          <Button onClick={onAnotherTake}>{text.retry}</Button>
          <Button variant="outline" onClick={onRemix}>
            {text.see.remix}
          </Button>
        </div>
      )}
    </div>
  );
}
