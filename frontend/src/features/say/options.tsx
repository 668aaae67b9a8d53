import { useId } from "react";
import { Input, Label, Select } from "@/components/ui/field";
import type { Model } from "@/shared/contract";
import { useText } from "@/shared/i18n/language";
import { type Draft, MAX_SEED } from "./draft";

interface OptionsProps {
  readonly draft: Draft;
  readonly change: (change: Partial<Draft>) => void;
  readonly models: readonly Model[];
}

/** Model, length, size, seed. The first of each is what one gets without a choice. */
export function Options({ draft, change, models }: OptionsProps) {
  const text = useText();
  const id = useId();
  const model = models.find((each) => each.id === draft.model) ?? models[0];
  return (
    <div className="mt-3 grid gap-3 sm:grid-cols-2">
      <div>
        <Label htmlFor={`${id}model`}>{text.say.model}</Label>
        <Select id={`${id}model`} value={draft.model} onChange={(event) => change({ model: event.target.value, size: "", seconds: "" })}>
          {models.map((each, index) => (
            <option key={each.id} lang="en" value={index === 0 ? "" : each.id}>
              {each.name}
            </option>
          ))}
        </Select>
      </div>
      <div>
        <Label htmlFor={`${id}seconds`}>{text.say.seconds}</Label>
        <Select id={`${id}seconds`} value={draft.seconds} onChange={(event) => change({ seconds: event.target.value })}>
          {model?.lengths.map(({ seconds }, index) => (
            <option key={seconds} value={index === 0 ? "" : seconds}>
              {text.say.secondsOf(seconds)}
            </option>
          ))}
        </Select>
      </div>
      <div>
        <Label htmlFor={`${id}size`}>{text.say.size}</Label>
        <Select id={`${id}size`} value={draft.size} onChange={(event) => change({ size: event.target.value })}>
          {model?.sizes.map((size, index) => (
            <option key={size} value={index === 0 ? "" : size}>
              {size.replace("x", " × ")}
            </option>
          ))}
        </Select>
      </div>
      <div>
        <Label htmlFor={`${id}seed`}>{text.say.seed}</Label>
        <Input id={`${id}seed`} type="number" inputMode="numeric" min={0} max={MAX_SEED} step={1} value={draft.seed} aria-describedby={`${id}hint`} onChange={(event) => change({ seed: event.target.value })} />
        <p id={`${id}hint`} className="text-sm text-muted-foreground">
          {text.say.seedHint}
        </p>
      </div>
      {model && (
        <p lang="en" className="text-sm text-muted-foreground sm:col-span-2">
          {model.summary}
        </p>
      )}
    </div>
  );
}
