import { cn } from "@/shared/cn";

export function Progress({ value, label, className }: { value: number; label: string; className?: string }) {
  return (
    <div
      data-slot="progress"
      data-testid="progress"
      role="progressbar"
      aria-label={label}
      aria-valuenow={value}
      aria-valuemin={0}
      aria-valuemax={100}
      className={cn("h-3 overflow-hidden rounded-full bg-muted", className)}
    >
      <div className="h-full rounded-full bg-primary transition-[width] duration-700" style={{ width: `${value}%` }} />
    </div>
  );
}
