// What the numbers of an eye mean, in sentences; each with who measured it.
import type { Perspective } from "./contract";
import type { Text } from "./i18n/en";

export interface Fact {
  readonly says: string;
  readonly source: string | undefined;
  readonly isEstimate: boolean;
}

/** The finest grating that a person resolves: Campbell & Green 1965, J. Physiol. 181:576. */
const HUMAN_CPD = 60;

/** `1/3` or `2.5 times`, no more exact than such numbers are. */
export function asTimes(ratio: number, text: Text): string {
  if (ratio >= 1) return text.facts.times(String(Number(ratio.toPrecision(2))));
  return `1/${Number((1 / ratio).toPrecision(2))}`;
}

export function factsOf({ optics }: Pick<Perspective, "optics">, text: Text): Fact[] {
  const facts: Fact[] = [];
  const add = (figure: { source?: string | null; estimate?: string | null } | null | undefined, says: string) => {
    if (figure) facts.push({ says, source: figure.source ?? figure.estimate ?? undefined, isEstimate: !figure.source });
  };
  const { acuity_cpd, field_deg, fusion_hz, peaks_nm, threshold, facets_deg, heat } = optics;
  add(acuity_cpd, text.facts.acuity(asTimes((acuity_cpd?.value ?? HUMAN_CPD) / HUMAN_CPD, text)));
  add(peaks_nm, text.facts.cones(peaks_nm?.values.length ?? 0));
  add(field_deg, text.facts.field(field_deg?.value ?? 0));
  add(facets_deg, text.facts.facets(facets_deg?.value ?? 0));
  add(fusion_hz, text.facts.fusion(fusion_hz?.value ?? 0));
  add(threshold, text.facts.dark(asTimes(threshold?.value ?? 1, text)));
  add(heat, text.facts.heat);
  return facts;
}
