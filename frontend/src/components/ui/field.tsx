import type { ComponentProps } from "react";
import { cn } from "@/shared/cn";

const control = "w-full rounded-md border border-input bg-background px-3 text-base text-foreground placeholder:text-muted-foreground";

export function Input({ className, ...props }: ComponentProps<"input">) {
  return <input data-slot="input" className={cn(control, "h-10", className)} {...props} />;
}

export function Textarea({ className, ...props }: ComponentProps<"textarea">) {
  return <textarea data-slot="textarea" className={cn(control, "min-h-16 py-2", className)} {...props} />;
}

export function Select({ className, ...props }: ComponentProps<"select">) {
  return <select data-slot="select" className={cn(control, "h-10", className)} {...props} />;
}

export function Label({ className, ...props }: ComponentProps<"label">) {
  // oxlint-disable-next-line jsx-a11y/label-has-associated-control -- whoever uses it says whose
  return <label data-slot="label" className={cn("mb-1 block text-sm font-semibold", className)} {...props} />;
}
