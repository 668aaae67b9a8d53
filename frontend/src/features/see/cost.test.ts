import { expect, test } from "vitest";
import { de } from "@/shared/i18n/de";
import { en } from "@/shared/i18n/en";
import { costInWords } from "./cost";

test("what has a price is told as money, in the language of the page", () => {
  const cost = { gpu_s: 40, amount: 0.0123, currency: "USD" };
  expect(costInWords(cost, "en", en)).toBe("$0.0123");
  expect(costInWords(cost, "de", de)).toBe("0,0123\u00a0$");
});

test("who came when the film was there pays nothing", () => {
  expect(costInWords({ gpu_s: 0, amount: 0, currency: "USD" }, "en", en)).toBe("$0.00");
});

test("a machine without a price has its seconds told", () => {
  expect(costInWords({ gpu_s: 2.84, amount: null, currency: null }, "en", en)).toBe("2.8 s of a machine that has no price");
});
