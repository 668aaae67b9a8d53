import { useEffect, useState } from "react";
import type { Perspective } from "@/shared/contract";
import { factsOf } from "@/shared/facts";
import { useText } from "@/shared/i18n/language";

const NEXT_AFTER_MS = 7_000;

/** One fact after another about how that creature sees; all at once for whom nothing shall move. */
export function RollingFacts({ perspective }: { perspective: Perspective }) {
  const text = useText();
  const facts = factsOf(perspective, text);
  const [index, setIndex] = useState(0);
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  useEffect(() => {
    if (isStill) return;
    const timer = setInterval(() => setIndex((before) => before + 1), NEXT_AFTER_MS);
    return () => clearInterval(timer);
  }, [isStill]);
  const shown = isStill ? facts : facts.slice(index % Math.max(1, facts.length)).slice(0, 1);
  return (
    <section className="rounded-md bg-muted p-4">
      <h3 className="font-bold">{text.wait.didYouKnow}</h3>
      <p lang="en" className="mb-2">
        {perspective.sight}
      </p>
      {shown.map((fact) => (
        <p key={fact.says} className="text-sm">
          {fact.says}{" "}
          <span lang="en" className="text-muted-foreground">
            ({fact.source})
          </span>
        </p>
      ))}
    </section>
  );
}
