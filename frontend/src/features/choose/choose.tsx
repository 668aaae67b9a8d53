import { Info, Search } from "lucide-react";
import { useEffect, useId, useRef, useState } from "react";
import { Button } from "@/components/ui/button";
import { Input } from "@/components/ui/field";
import { cn } from "@/shared/cn";
import { hueOf } from "@/shared/colours";
import type { Perspective } from "@/shared/contract";
import { useText } from "@/shared/i18n/language";
import { CardPicture } from "@/components/card-picture";
import { found, kindsOf } from "./finding";
import { PerspectiveDialog } from "./perspective-dialog";

interface ChooseProps {
  readonly perspectives: readonly Perspective[];
  readonly chosen: string;
  readonly onChoose: (id: string) => void;
}

/** Whose eyes: the same scene through each, in one group of radio buttons. */
export function Choose({ perspectives, chosen, onChoose }: ChooseProps) {
  const text = useText();
  const name = useId();
  const [words, setWords] = useState("");
  const [kind, setKind] = useState<Perspective["kind"] | null>(null);
  const [told, setTold] = useState<Perspective | null>(null);
  const list = useRef<HTMLFieldSetElement>(null);
  useEffect(() => {
    // Who comes back sees whose eyes they had; the page itself stays where it is.
    const card = list.current?.querySelector("input:checked")?.closest("label")?.parentElement;
    if (list.current && card) list.current.scrollTop = card.getBoundingClientRect().top - list.current.getBoundingClientRect().top - 4;
  }, []);
  const shown = found(perspectives, words, kind);

  return (
    <section aria-labelledby={`${name}heading`} className="flex flex-col gap-3">
      <div className="flex flex-wrap items-center justify-between gap-3">
        <h2 id={`${name}heading`} className="text-xl font-bold">
          {text.choose.heading}
        </h2>
        <div className="relative w-full sm:w-60">
          <Search aria-hidden className="absolute top-3 left-3 size-4 text-muted-foreground" />
          <Input type="search" className="rounded-full pl-9" aria-label={text.choose.search} placeholder={text.choose.search} value={words} onChange={(event) => setWords(event.target.value)} />
        </div>
      </div>
      <div role="group" aria-label={text.choose.kinds} className="flex flex-wrap gap-1.5">
        {[null, ...kindsOf(perspectives)].map((each) => (
          <Button key={each ?? "all"} variant={each === kind ? "default" : "outline"} size="sm" className="h-8" aria-pressed={each === kind} onClick={() => setKind(each)}>
            {each ? text.kind[each] : text.choose.all}
          </Button>
        ))}
      </div>
      <p role="status" className="sr-only">
        {text.choose.shown(shown.length)}
      </p>
      {shown.length === 0 && <p className="py-6 text-muted-foreground">{text.choose.none}</p>}
      <fieldset ref={list} className="-m-1 max-h-[22rem] overflow-y-auto p-1 sm:max-h-[19.5rem]">
        <legend className="sr-only">{text.choose.heading}</legend>
        <div className="grid grid-cols-2 gap-3 sm:grid-cols-3 xl:grid-cols-4">
          {shown.map((each) => (
            <div
              key={each.id}
              style={{ "--hue": hueOf(each.kind, each.id) } as React.CSSProperties}
              className={cn(
                "relative overflow-hidden rounded-lg border bg-card transition-colors has-focus-visible:outline-3 has-focus-visible:outline-offset-2 has-focus-visible:outline-ring",
                each.id === chosen ? "border-primary ring-2 ring-primary" : "hover:border-input",
              )}
            >
              <label className="block cursor-pointer">
                <input type="radio" name={name} value={each.id} checked={each.id === chosen} onChange={() => onChoose(each.id)} className="sr-only" aria-label={text.choose.choose(each.name)} />
                <CardPicture id={each.id} className="aspect-[25/14] w-full" />
                <span lang="en" className="block min-h-11 py-1.5 pr-10 pl-3 text-sm leading-tight font-semibold">
                  {each.name}
                </span>
              </label>
              <Button variant="ghost" size="icon" className="absolute right-0.5 bottom-0.5" aria-label={text.choose.details(each.name)} onClick={() => setTold(each)}>
                <Info aria-hidden />
              </Button>
            </div>
          ))}
        </div>
      </fieldset>
      <PerspectiveDialog perspective={told} onClose={() => setTold(null)} />
    </section>
  );
}
