// What somebody is about to wish. Kept for the tab, so that no error and no reload loses what was typed.
import { useCallback, useState } from "react";
import type { OwnTheme, Wish } from "@/shared/api";
import type { Request } from "@/shared/contract";

export interface Draft {
  readonly perspective: string;
  readonly prompt: string;
  readonly theme: string;
  readonly seed: string;
  readonly model: string;
  readonly size: string;
  readonly seconds: string;
}

export const MAX_PROMPT_CHARS = 1000;
export const MAX_SEED = 2 ** 32 - 1;
export const EMPTY: Draft = { perspective: "curious-cat", prompt: "", theme: "", seed: "", model: "", size: "", seconds: "" };
const KEPT = "draft";

/** How a draft names a theme of one's own. */
export const ownTheme = (id: string): string => `own:${id}`;

export const isOwnTheme = (theme: string): boolean => theme.startsWith("own:");

interface Known {
  readonly own?: readonly OwnTheme[] | undefined;
  readonly scenes?: readonly string[] | undefined;
}

/** The request: without what was left empty. A theme of one's own is words, added to those typed or to a scene. */
export function wishOf(draft: Draft, { own = [], scenes = [] }: Known = {}): Wish {
  const words = own.find((each) => ownTheme(each.id) === draft.theme)?.words;
  const typed = draft.prompt.trim();
  const prompt = words ? [typed || scenes[0], words].filter(Boolean).join(", ").slice(0, MAX_PROMPT_CHARS) : typed;
  const theme = isOwnTheme(draft.theme) ? "" : draft.theme;
  return {
    perspective: draft.perspective,
    ...(prompt && { prompt }),
    ...(theme && { theme }),
    ...(draft.seed.trim() && { seed: Number(draft.seed) }),
    ...(draft.model && { model: draft.model }),
    ...(draft.size && { size: draft.size }),
    ...(draft.seconds && { seconds: Number(draft.seconds) }),
  };
}

/** The same wish once more, with fresh dice: another take. */
export function anotherTake(request: Request, random: (below: number) => number = randomBelow): Wish {
  const { priority: _, ...wish } = request;
  const given = Object.fromEntries(Object.entries(wish).filter(([, value]) => value !== null));
  return { ...given, perspective: request.perspective, seed: random(MAX_SEED + 1) };
}

/** What was wished, to be changed; its seed is drawn anew. */
export function draftOf(request: Request): Draft {
  const { perspective, prompt, theme, model, size, seconds } = request;
  return { perspective, prompt: prompt ?? "", theme: theme ?? "", seed: "", model: model ?? "", size: size ?? "", seconds: seconds == null ? "" : String(seconds) };
}

function randomBelow(below: number): number {
  return (crypto.getRandomValues(new Uint32Array(1))[0] ?? 0) % below;
}

/** What was kept, whatever it was. */
export function readDraft(kept: string | null): Draft {
  try {
    const given = JSON.parse(kept ?? "{}") as Record<string, unknown>;
    const texts = Object.entries(EMPTY).map(([name, empty]) => [name, typeof given[name] === "string" ? given[name] : empty]);
    return Object.fromEntries(texts) as unknown as Draft;
  } catch {
    return EMPTY;
  }
}

export function useDraft(): [Draft, (change: Partial<Draft>) => void] {
  const [draft, setDraft] = useState(() => readDraft(sessionStorage.getItem(KEPT)));
  const change = useCallback((changed: Partial<Draft>) => {
    setDraft((before) => {
      const after = { ...before, ...changed };
      sessionStorage.setItem(KEPT, JSON.stringify(after));
      return after;
    });
  }, []);
  return [draft, change];
}
