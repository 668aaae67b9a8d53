import type { Perspective } from "@/shared/contract";

/** Those that have every word somewhere in what is said of them. */
export function found(perspectives: readonly Perspective[], words: string, kind: Perspective["kind"] | null): Perspective[] {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  return perspectives.filter((each) => {
    const said = `${each.name} ${each.summary} ${each.sight} ${each.kind}`.toLowerCase();
    return (kind === null || each.kind === kind) && wanted.every((word) => said.includes(word));
  });
}

/** The kinds that there are, in the order of the catalogue of kinds. */
export function kindsOf(perspectives: readonly Perspective[]): Perspective["kind"][] {
  const order: Perspective["kind"][] = ["mammal", "bird", "fish", "insect", "reptile", "mollusc", "human", "thing"];
  return order.filter((kind) => perspectives.some((each) => each.kind === kind));
}
