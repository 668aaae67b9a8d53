import { expect, test } from "vitest";

const sources = import.meta.glob<string>(["./**/*.{ts,tsx}", "!./**/*.test.{ts,tsx}"], { query: "?raw", import: "default", eager: true });

/** What each part may import, besides itself. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  shared: ["feed"], // the feed's interface is part of what every page is given
  feed: ["shared"],
  components: ["shared"],
  features: ["shared", "feed", "components"],
  app: ["shared", "feed", "components", "features"],
  testing: ["shared"],
};

const imports = (text: string): string[] => [...text.matchAll(/(?:from|import\()\s*"@\/([^"]+)"/g)].map((found) => found[1] ?? "");

test("imports go one way, and no feature imports another", () => {
  const faults = Object.entries(sources).flatMap(([path, text]) => {
    const [, part = "", feature] = path.split("/");
    if (!(part in ALLOWED)) return [];
    return imports(text)
      .filter((each) => {
        const [to = "", toFeature] = each.split("/");
        if (to === part) return part === "features" && toFeature !== feature;
        return !ALLOWED[part]?.includes(to);
      })
      .map((each) => `${path} imports ${each}`);
  });
  expect(faults).toEqual([]);
  expect(Object.keys(sources).length).toBeGreaterThan(40);
});

test("no file has more than 400 lines", () => {
  const long = Object.entries(sources).filter(([path, text]) => !path.endsWith("/contract.ts") && text.split("\n").length > 400);
  expect(long.map(([path]) => path)).toEqual([]);
});
