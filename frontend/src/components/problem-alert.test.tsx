import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, test } from "vitest";
import { Problem, type ProblemCode } from "@/shared/problems";
import { ProblemAlert } from "./problem-alert";

afterEach(cleanup);

const said = (code: ProblemCode, retryAfterS: number) => {
  render(<ProblemAlert problem={new Problem(code, "reCAPTCHA error", { status: 503, retryAfterS })} onRetry={() => {}} />);
  return screen.getByRole("alert").textContent;
};
const isRetryOffered = () => !screen.getByRole<HTMLButtonElement>("button", { name: "Try again" }).disabled;

test("a house that is full says so, and when to try again", () => {
  expect(said("overloaded", 30)).toMatch(/Too many films are waiting already.*You can try again in 30 seconds\./);
  expect(isRetryOffered()).toBe(false);
});

test("a budget that is spent says so, and when there is a new one", () => {
  expect(said("budget_spent", 7 * 3600)).toMatch(/what may be spent on them is spent.*You can try again in 7 hours\./);
  expect(isRetryOffered()).toBe(false);
});

test("a page that could not say who calls tells why", () => {
  expect(said("unauthenticated", 0)).toContain("reCAPTCHA error");
});

test("what may be tried at once has a button for it", () => {
  said("unavailable", 0);
  expect(isRetryOffered()).toBe(true);
});
