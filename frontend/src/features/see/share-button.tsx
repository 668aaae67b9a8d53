import { Copy, Link2, Link2Off } from "lucide-react";
import { useRef, useState } from "react";
import { ProblemAlert } from "@/components/problem-alert";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import type { JobView } from "@/shared/api";
import { useText } from "@/shared/i18n/language";
import { usePage } from "@/shared/page";
import { asProblem, type Problem } from "@/shared/problems";
import { pathOf } from "@/shared/route";

/** A link that anyone may open, until it is taken back. */
export function ShareButton({ job, onChanged }: { job: JobView; onChanged: (job: JobView) => void }) {
  const text = useText();
  const { api } = usePage();
  const input = useRef<HTMLInputElement>(null);
  const [copied, setCopied] = useState<"yes" | "refused">();
  const [problem, setProblem] = useState<Problem>();
  const token = job.share_token;

  const change = async (call: typeof api.share) => {
    setProblem(undefined);
    setCopied(undefined);
    try {
      onChanged(await call(job.job_id));
    } catch (error) {
      setProblem(asProblem(error));
    }
  };
  if (!token) {
    return (
      <>
        <Button variant="outline" onClick={() => change(api.share)}>
          <Link2 aria-hidden /> {text.see.share}
        </Button>
        {problem && <ProblemAlert problem={problem} />}
      </>
    );
  }
  const link = location.origin + pathOf({ at: "shared", token });
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(link);
      setCopied("yes");
    } catch {
      input.current?.focus();
      setCopied("refused");
    }
  };
  return (
    <div className="flex basis-full flex-wrap items-center gap-2 rounded-md bg-muted p-3">
      <Input ref={input} readOnly aria-label={text.see.share} value={link} className="flex-1 basis-48" onFocus={(event) => event.target.select()} />
      <Button variant="outline" onClick={copy}>
        <Copy aria-hidden /> {copied === "yes" ? text.see.copied : text.see.copy}
      </Button>
      <Button variant="ghost" onClick={() => change(api.unshare)}>
        <Link2Off aria-hidden /> {text.see.unshare}
      </Button>
      <p role="status" className="basis-full text-sm text-muted-foreground">
        {copied ? (copied === "yes" ? text.see.copied : text.see.notCopied) : text.see.shared}
      </p>
      {problem && <ProblemAlert problem={problem} />}
    </div>
  );
}
