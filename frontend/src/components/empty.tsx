import { Button } from "@/components/ui/button";
import { useText } from "@/shared/i18n/language";
import { linkTo } from "@/shared/route";

/** No films here yet, and the way to the first one. */
export function Empty({ says }: { says: string }) {
  const text = useText();
  return (
    <div className="flex flex-col items-start gap-4">
      <p>{says}</p>
      <Button asChild>
        <a {...linkTo({ at: "create" })}>{text.films.first}</a>
      </Button>
    </div>
  );
}
