import { Plus, Trash2 } from "lucide-react";
import { type FormEvent, useId, useState } from "react";
import { ProblemAlert } from "@/components/problem-alert";
import { Button } from "@/components/ui/button";
import { Dialog, DialogContent, DialogTitle } from "@/components/ui/dialog";
import { Input, Label, Select } from "@/components/ui/field";
import type { Themes } from "@/shared/api";
import { useText } from "@/shared/i18n/language";
import { usePage } from "@/shared/page";
import { asProblem, type Problem } from "@/shared/problems";
import { isOwnTheme, ownTheme } from "./draft";

interface ThemeFieldProps {
  /** undefined: not there yet. */
  readonly themes: Themes | undefined;
  readonly chosen: string;
  readonly onChoose: (id: string) => void;
  /** One was saved or forgotten. */
  readonly onChanged: () => void;
}

/** Light and weather: the catalogue's and one's own. */
export function ThemeField({ themes, chosen, onChoose, onChanged }: ThemeFieldProps) {
  const text = useText();
  const { api } = usePage();
  const id = useId();
  const [isSaving, setIsSaving] = useState(false);
  const [problem, setProblem] = useState<Problem>(); // of saving
  const [trouble, setTrouble] = useState<Problem>(); // of forgetting
  const own = themes?.own ?? [];
  const catalogue = themes?.themes ?? [];
  const isAwaited = !themes && isOwnTheme(chosen);
  const chosenOwn = own.find((each) => ownTheme(each.id) === chosen);

  const open = () => {
    setProblem(undefined);
    setIsSaving(true);
  };
  const save = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    event.stopPropagation(); // it stands in the form of the wish
    const given = new FormData(event.currentTarget);
    setProblem(undefined);
    try {
      const saved = await api.saveTheme({ name: String(given.get("name")), words: String(given.get("words")) });
      onChanged();
      onChoose(ownTheme(saved.id));
      setIsSaving(false);
    } catch (error) {
      setProblem(asProblem(error));
    }
  };
  const forget = async () => {
    if (!chosenOwn) return;
    setTrouble(undefined);
    try {
      await api.forgetTheme(chosenOwn.id);
      onChoose("");
      onChanged();
    } catch (error) {
      setTrouble(asProblem(error));
    }
  };

  return (
    <div className="min-w-0 flex-1 basis-52">
      <Label htmlFor={`${id}theme`}>{text.say.theme}</Label>
      <div className="flex gap-1">
        <Select id={`${id}theme`} value={isAwaited || chosenOwn || catalogue.some((each) => each.id === chosen) ? chosen : ""} onChange={(event) => onChoose(event.target.value)}>
          <option value="">{text.say.noTheme}</option>
          {isAwaited && <option value={chosen}>{text.say.ownAwaited}</option>}
          <optgroup label={text.say.themes}>
            {catalogue.map((each) => (
              <option key={each.id} value={each.id} lang="en">
                {each.name}
              </option>
            ))}
          </optgroup>
          {own.length > 0 && (
            <optgroup label={text.say.ownThemes}>
              {own.map((each) => (
                <option key={each.id} value={ownTheme(each.id)}>
                  {each.name}
                </option>
              ))}
            </optgroup>
          )}
        </Select>
        {chosenOwn && (
          <Button variant="ghost" size="icon" aria-label={text.say.forgetTheme} onClick={forget}>
            <Trash2 aria-hidden />
          </Button>
        )}
        <Button variant="ghost" size="icon" aria-label={text.say.saveTheme} onClick={open}>
          <Plus aria-hidden />
        </Button>
      </div>
      {trouble && <ProblemAlert problem={trouble} />}
      <Dialog open={isSaving} onOpenChange={setIsSaving}>
        <DialogContent>
          <DialogTitle>{text.say.saveTheme}</DialogTitle>
          <form onSubmit={save} className="flex flex-col gap-3">
            <div>
              <Label htmlFor={`${id}name`}>{text.say.themeName}</Label>
              <Input id={`${id}name`} name="name" required maxLength={60} autoComplete="off" />
            </div>
            <div>
              <Label htmlFor={`${id}words`}>{text.say.themeWords}</Label>
              <Input id={`${id}words`} name="words" required minLength={3} maxLength={200} autoComplete="off" />
            </div>
            {problem && <ProblemAlert problem={problem} />}
            <Button type="submit" className="self-start">
              {text.say.save}
            </Button>
          </form>
        </DialogContent>
      </Dialog>
    </div>
  );
}
