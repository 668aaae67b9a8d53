import { useEffect, useState } from "react";
import { Alert } from "@/components/ui/alert";
import { Button } from "@/components/ui/button";
import { inWords } from "@/shared/duration";
import type { Text } from "@/shared/i18n/en";
import { useText } from "@/shared/i18n/language";
import type { Problem } from "@/shared/problems";

interface ProblemAlertProps {
  readonly problem: Problem;
  readonly heading?: string;
  readonly onRetry?: (() => void) | undefined;
}

/** What a problem means for whoever reads it. */
export function sayProblem(problem: Problem, text: Text): string {
  const { problem: said } = text;
  switch (problem.code) {
    case "offline":
      return said.offline;
    case "unavailable":
      return said.unavailable;
    case "overloaded":
      return said.overloaded;
    case "budget_spent":
      return said.budget;
    case "quota_exceeded":
    case "too_many_requests":
      return problem.message;
    case "prompt_refused":
      return said.refused;
    case "invalid_request":
      return said.invalid;
    case "not_found":
      return said.missing;
    case "unauthenticated":
      return said.unauthenticated;
    default:
      return said.other;
  }
}

/** What went wrong, and what to do. */
export function ProblemAlert(props: ProblemAlertProps) {
  return <OneProblem key={`${props.problem.code} ${props.problem.message} ${props.problem.retryAfterS}`} {...props} />;
}

function OneProblem({ problem, heading, onRetry }: ProblemAlertProps) {
  const text = useText();
  const leftS = useCountdown(problem);
  const isQuota = problem.code === "quota_exceeded" || problem.code === "too_many_requests";
  return (
    <Alert data-code={problem.code}>
      {heading && <p className="font-semibold">{heading}</p>}
      {isQuota && <p>{text.problem.quota}</p>}
      <p lang={isQuota ? "en" : undefined}>{sayProblem(problem, text)}</p>
      {problem.code === "unauthenticated" && problem.message && (
        <p lang="en" className="text-sm text-muted-foreground">
          {problem.message}
        </p>
      )}
      {leftS > 0 && <p>{text.problem.again(inWords(leftS, text))}</p>}
      {problem.faults.length > 0 && (
        <ul lang="en" className="list-disc pl-5">
          {problem.faults.map((fault) => (
            <li key={`${fault.field} ${fault.code}`}>
              {fault.field && <strong>{fault.field}: </strong>}
              {fault.message}
            </li>
          ))}
        </ul>
      )}
      {onRetry && (
        <Button variant="outline" size="sm" onClick={onRetry} disabled={leftS > 0}>
          {text.retry}
        </Button>
      )}
    </Alert>
  );
}

/** Seconds until the API may grant it. */
function useCountdown(problem: Problem): number {
  const [leftS, setLeftS] = useState(problem.retryAfterS ?? 0);
  useEffect(() => {
    const until = Date.now() + (problem.retryAfterS ?? 0) * 1000;
    const timer = setInterval(() => {
      const left = Math.max(0, Math.ceil((until - Date.now()) / 1000));
      setLeftS(left);
      if (left === 0) clearInterval(timer);
    }, 1000);
    return () => clearInterval(timer);
  }, [problem]);
  return leftS;
}
