import { CircleAlert } from "lucide-react";
import type { ComponentProps } from "react";
import { cn } from "@/shared/cn";

export function Alert({ className, children, ...props }: ComponentProps<"div">) {
  return (
    <div data-slot="alert" role="alert" className={cn("flex gap-3 rounded-md border border-destructive bg-card p-4", className)} {...props}>
      <CircleAlert aria-hidden className="mt-0.5 size-5 shrink-0 text-destructive" />
      <div className="flex min-w-0 flex-col items-start gap-2">{children}</div>
    </div>
  );
}
