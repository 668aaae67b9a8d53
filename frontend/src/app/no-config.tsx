import { Alert } from "@/components/ui/alert";
import { Button } from "@/components/ui/button";
import { useText } from "@/shared/i18n/language";

/** Without its config.json the page can do nothing; whoever runs it must know what is wrong with it. */
export function NoConfig({ says }: { says: string }) {
  const text = useText();
  return (
    <main className="mx-auto max-w-xl p-6">
      <h1 className="mb-4 text-3xl font-bold">Life As Not Me</h1>
      <Alert>
        <p>{text.problem.config}</p>
        <p lang="en">{says}</p>
        <Button variant="outline" onClick={() => location.reload()}>
          {text.retry}
        </Button>
      </Alert>
    </main>
  );
}
