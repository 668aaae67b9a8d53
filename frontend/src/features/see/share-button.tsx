import { Copy, Link2, Link2Off } from "lucide-react";
import { useState } from "react";
import { ProblemAlert } from "@/components/problem-alert";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import type { JobView } from "@/shared/api";
import { useText } from "@/shared/i18n/language";
import { usePage } from "@/shared/page";
import { asProblem, type Problem } from "@/shared/problems";

/** A link that anyone may open, until it is taken back. */
export function ShareButton({ job }: { job: JobView }) {
  const text = useText();
  const { api } = usePage();
  const [path, setPath] = useState(job.links?.shared);
  const [isCopied, setIsCopied] = useState(false);
  const [problem, setProblem] = useState<Problem>();
  const link = path && location.origin + path;

  const change = async (call: typeof api.share) => {
    try {
      setPath((await call(job.job_id)).links?.shared);
      setProblem(undefined);
    } catch (error) {
      setProblem(asProblem(error));
    }
  };
  const copy = async (copied: string) => {
    await navigator.clipboard.writeText(copied);
    setIsCopied(true);
  };
  if (!link) {
    return (
      <>
        <Button variant="outline" onClick={() => change(api.share)}>
          <Link2 aria-hidden /> {text.see.share}
        </Button>
        {problem && <ProblemAlert problem={problem} />}
      </>
    );
  }
  return (
    <div className="flex basis-full flex-wrap items-center gap-2 rounded-md bg-muted p-3">
      <Input readOnly aria-label={text.see.share} value={link} className="flex-1 basis-48" onFocus={(event) => event.target.select()} />
      <Button variant="outline" onClick={() => copy(link)}>
        <Copy aria-hidden /> {isCopied ? text.see.copied : text.see.copy}
      </Button>
      <Button variant="ghost" onClick={() => change(api.unshare)}>
        <Link2Off aria-hidden /> {text.see.unshare}
      </Button>
      <p role="status" className="basis-full text-sm text-muted-foreground">
        {isCopied ? text.see.copied : text.see.shared}
      </p>
    </div>
  );
}
