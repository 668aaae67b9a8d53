import { Fault } from "./fault";
import { useText } from "@/shared/i18n/language";

/** Without its config.json the page can do nothing; whoever runs it must know what is wrong with it. */
export function NoConfig({ says }: { says: string }) {
  const text = useText();
  return (
    <Fault>
      <p>{text.problem.config}</p>
      <p lang="en">{says}</p>
    </Fault>
  );
}
