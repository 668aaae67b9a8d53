import type { ComponentProps } from "react";
import { cn } from "@/shared/cn";

export function Card({ className, ...props }: ComponentProps<"section">) {
  return <section data-slot="card" className={cn("rounded-lg border bg-card p-4 sm:p-5", className)} {...props} />;
}
