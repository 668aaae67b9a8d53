import { X } from "lucide-react";
import { Dialog as Primitive } from "radix-ui";
import type { ComponentProps, ReactNode } from "react";
import { cn } from "@/shared/cn";
import { useText } from "@/shared/i18n/language";
import { Button } from "./button";

export const Dialog = Primitive.Root;
export const DialogTitle = ({ className, ...props }: ComponentProps<typeof Primitive.Title>) => (
  <Primitive.Title data-slot="dialog-title" className={cn("pr-10 text-2xl font-bold", className)} {...props} />
);
export const DialogDescription = ({ className, ...props }: ComponentProps<typeof Primitive.Description>) => (
  <Primitive.Description data-slot="dialog-description" className={cn("text-muted-foreground", className)} {...props} />
);

export function DialogContent({ className, children }: { className?: string; children: ReactNode }) {
  const text = useText();
  return (
    <Primitive.Portal>
      <Primitive.Overlay data-slot="dialog-overlay" className="fixed inset-0 z-40 bg-black/60" />
      <Primitive.Content
        data-slot="dialog-content"
        className={cn(
          "fixed top-1/2 left-1/2 z-50 flex max-h-[90dvh] w-[calc(100%-2rem)] max-w-xl -translate-1/2 flex-col gap-4 overflow-y-auto rounded-lg border bg-card p-5",
          className,
        )}
      >
        {children}
        <Primitive.Close asChild>
          <Button variant="ghost" size="icon" className="absolute top-3 right-3" aria-label={text.close}>
            <X aria-hidden />
          </Button>
        </Primitive.Close>
      </Primitive.Content>
    </Primitive.Portal>
  );
}
