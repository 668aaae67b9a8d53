import type { ReactNode } from "react";
import { Alert } from "@/components/ui/alert";
import { Button } from "@/components/ui/button";
import { useText } from "@/shared/i18n/language";

/** All there is where the page itself can't be shown: what is wrong, and another try. */
export function Fault({ children }: { children: ReactNode }) {
  const text = useText();
  return (
    <main className="mx-auto max-w-xl p-6">
      <h1 className="mb-4 text-3xl font-bold">Life As Not Me</h1>
      <Alert>
        {children}
        <Button variant="outline" onClick={() => location.reload()}>
          {text.retry}
        </Button>
      </Alert>
    </main>
  );
}
