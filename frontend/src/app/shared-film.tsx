import { useCallback } from "react";
import { ProblemAlert } from "@/components/problem-alert";
import { Button } from "@/components/ui/button";
import { LoneFilm } from "@/features/see/lone-film";
import type { Perspective } from "@/shared/contract";
import { useText } from "@/shared/i18n/language";
import { usePage } from "@/shared/page";
import { useFetched } from "@/shared/use-fetched";
import { linkTo } from "@/shared/route";

/** What a link shows to anyone. */
export function SharedFilm({ token, perspectives }: { token: string; perspectives: readonly Perspective[] }) {
  const text = useText();
  const { api } = usePage();
  const shared = useFetched(useCallback(() => api.shared(token), [api, token]));
  const id = shared.value?.perspective;
  return (
    <section className="mx-auto flex w-full max-w-2xl flex-col gap-4">
      <h1 className="text-3xl font-bold">{text.shared.heading}</h1>
      {shared.problem && (shared.problem.status === 404 ? <p>{text.shared.gone}</p> : <ProblemAlert problem={shared.problem} onRetry={shared.again} />)}
      {shared.value && <LoneFilm base={`/shared/${encodeURIComponent(token)}`} name={perspectives.find((each) => each.id === id)?.name ?? id ?? ""} video={shared.value.video} />}
      <Button asChild className="self-start">
        <a {...linkTo({ at: "create" })}>{text.shared.make}</a>
      </Button>
    </section>
  );
}
