import { useCallback, useMemo } from "react";
import type { Themes } from "@/shared/api";
import type { Model, Perspective } from "@/shared/contract";
import { usePage } from "@/shared/page";
import { type Fetched, useFetched } from "@/shared/use-fetched";

export interface Catalogues {
  readonly perspectives: Fetched<Perspective[]>;
  readonly themes: Fetched<Themes>;
  readonly models: Fetched<Model[]>;
  readonly again: () => void;
}

export function useCatalogues(): Catalogues {
  const { api } = usePage();
  const perspectives = useFetched(api.perspectives);
  const themes = useFetched(api.themes);
  const models = useFetched(api.models);
  const [againPerspectives, againThemes, againModels] = [perspectives.again, themes.again, models.again];
  const again = useCallback(() => {
    againPerspectives();
    againThemes();
    againModels();
  }, [againPerspectives, againThemes, againModels]);
  return useMemo(() => ({ perspectives, themes, models, again }), [perspectives, themes, models, again]);
}
