import { cleanup, render, screen } from "@testing-library/react";
import { afterEach, expect, test, vi } from "vitest";
import { Boundary } from "./boundary";

afterEach(cleanup);

function Faulty(): never {
  throw new Error("a fault of the page's own");
}

test("a page that breaks says so, and how to go on", () => {
  vi.spyOn(console, "error").mockImplementation(() => {}); // React names the fault there
  render(
    <Boundary>
      <Faulty />
    </Boundary>,
  );
  expect(screen.getByRole("alert").textContent).toContain("Something broke.");
  screen.getByRole("button", { name: "Try again" });
});
