import { ChevronDown, Eye, LoaderCircle } from "lucide-react";
import { useId } from "react";
import { ProblemAlert } from "@/components/problem-alert";
import { Button } from "@/components/ui/button";
import { Label, Textarea } from "@/components/ui/field";
import type { Themes } from "@/shared/api";
import type { Model, Perspective } from "@/shared/contract";
import { useText } from "@/shared/i18n/language";
import type { Problem } from "@/shared/problems";
import { type Draft, isOwnTheme, MAX_PROMPT_CHARS } from "./draft";
import { Options } from "./options";
import { ThemeField } from "./theme-field";

interface SayProps {
  readonly draft: Draft;
  readonly change: (change: Partial<Draft>) => void;
  readonly perspective: Perspective | undefined;
  /** undefined: not there yet. */
  readonly themes: Themes | undefined;
  readonly themesChanged: () => void;
  readonly models: readonly Model[];
  readonly isSending: boolean;
  readonly problem: Problem | undefined;
  readonly onSubmit: () => void;
  /** Tries once more what was refused; undefined: that is what the form holds. */
  readonly onRetry: (() => void) | undefined;
}

/** What went wrong may be below what one sees. */
const show = (node: HTMLElement | null) => node?.scrollIntoView({ block: "nearest" });

/** What happens: words, light and weather, and what most people leave as it is. */
export function Say({ draft, change, perspective, themes, themesChanged, models, isSending, problem, onSubmit, onRetry }: SayProps) {
  const text = useText();
  const id = useId();
  const left = MAX_PROMPT_CHARS - draft.prompt.length;
  const isReady = !isSending && (themes !== undefined || !isOwnTheme(draft.theme)); // the words of one's own theme are part of the wish
  const submit = () => {
    if (isReady) onSubmit();
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
      className="flex flex-col gap-4"
      aria-labelledby={`${id}heading`}
    >
      <h2 id={`${id}heading`} className="text-xl font-bold">
        {text.say.heading}
      </h2>
      <div>
        <Label htmlFor={`${id}prompt`} className="sr-only">
          {text.say.prompt}
        </Label>
        <Textarea id={`${id}prompt`} rows={2} maxLength={MAX_PROMPT_CHARS} placeholder={text.say.placeholder} value={draft.prompt} aria-describedby={`${id}hint`} onChange={(event) => change({ prompt: event.target.value })} />
        <p id={`${id}hint`} className="text-sm text-muted-foreground">
          {text.say.private} {left < 100 && text.say.left(left)}
        </p>
      </div>
      {perspective && (
        <div role="group" aria-label={text.say.suggestions} className="flex gap-2 overflow-x-auto p-1">
          {perspective.scenes.map((scene) => (
            <Button key={scene} lang="en" variant="outline" size="sm" className="font-normal" onClick={() => change({ prompt: scene })}>
              {scene}
            </Button>
          ))}
        </div>
      )}
      <div className="flex flex-wrap items-end gap-3">
        <ThemeField themes={themes} chosen={draft.theme} onChoose={(theme) => change({ theme })} onChanged={themesChanged} />
        <Button type="submit" size="lg" disabled={!isReady} className="max-sm:w-full">
          {isSending ? <LoaderCircle aria-hidden className="animate-spin" /> : <Eye aria-hidden />}
          {isSending ? text.say.sending : text.say.submit}
        </Button>
      </div>
      {problem && (
        <div ref={show}>
          <ProblemAlert problem={problem} heading={text.problem.heading} onRetry={problem.code === "prompt_refused" || problem.code === "invalid_request" ? undefined : (onRetry ?? submit)} />
        </div>
      )}
      <details className="group">
        <summary className="flex w-fit items-center gap-1 text-sm font-semibold">
          <ChevronDown aria-hidden className="size-4 transition-transform group-open:rotate-180" /> {text.say.options}
        </summary>
        <Options draft={draft} change={change} models={models} />
      </details>
    </form>
  );
}
