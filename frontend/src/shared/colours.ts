// Dark or light, by choice or by the system; and one hue for each creature, which tints everything.
export type Scheme = "light" | "dark";
const KEPT = "scheme";

export function currentScheme(): Scheme {
  const kept = localStorage.getItem(KEPT);
  if (kept === "light" || kept === "dark") return kept;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

export function applyScheme(scheme: Scheme | null = localStorage.getItem(KEPT) as Scheme | null): void {
  if (scheme) document.documentElement.dataset.scheme = scheme;
}

export function chooseScheme(scheme: Scheme): void {
  localStorage.setItem(KEPT, scheme);
  applyScheme(scheme);
}

const HUES: Readonly<Record<string, number>> = { mammal: 65, bird: 235, fish: 200, insect: 95, reptile: 145, mollusc: 320, human: 30, thing: 280 };

/** Degrees of OKLCH: near its kind's, apart from its kin. */
export function hueOf(kind: string | undefined, id: string): number {
  const spread = [...id].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 29;
  return ((HUES[kind ?? ""] ?? 65) + spread - 14 + 360) % 360;
}
