import { Component, type ReactNode } from "react";
import { Alert } from "@/components/ui/alert";
import { Button } from "@/components/ui/button";
import { useText } from "@/shared/i18n/language";

/** A fault of the page's own: who reads is told, instead of seeing nothing. */
export class Boundary extends Component<{ children: ReactNode }, { isBroken: boolean }> {
  override state = { isBroken: false };
  static getDerivedStateFromError = () => ({ isBroken: true });
  override render() {
    return this.state.isBroken ? <Broken /> : this.props.children;
  }
}

function Broken() {
  const text = useText();
  return (
    <main className="mx-auto max-w-xl p-6">
      <h1 className="mb-4 text-3xl font-bold">Life As Not Me</h1>
      <Alert>
        <p>{text.problem.other}</p>
        <Button variant="outline" onClick={() => location.reload()}>
          {text.retry}
        </Button>
      </Alert>
    </main>
  );
}
