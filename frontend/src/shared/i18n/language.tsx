// The language of the page: English at once, German when it is wanted.
import { createContext, type ReactNode, use, useEffect, useState } from "react";
import { en, type Text } from "./en";

export type Language = "en" | "de";

interface Spoken {
  readonly language: Language;
  readonly text: Text;
  readonly speak: (language: Language) => void;
}

const Context = createContext<Spoken>({ language: "en", text: en, speak: () => {} });
const KEPT = "language";

export const useLanguage = (): Spoken => use(Context);
export const useText = (): Text => use(Context).text;

/** What the person chose before, or else what the browser asks for. */
function wanted(): Language {
  const kept = localStorage.getItem(KEPT);
  return (kept ?? navigator.language).startsWith("de") ? "de" : "en";
}

export function LanguageProvider({ children }: { children: ReactNode }) {
  const [language, setLanguage] = useState<Language>(wanted);
  const [spoken, setSpoken] = useState<{ language: Language; text: Text }>({ language: "en", text: en });

  useEffect(() => {
    let isLatest = true;
    const found = language === "de" ? import("./de").then(({ de }) => de) : Promise.resolve(en);
    void found.then((text) => {
      if (!isLatest) return;
      document.documentElement.lang = language;
      setSpoken({ language, text });
    });
    return () => {
      isLatest = false;
    };
  }, [language]);

  const speak = (chosen: Language) => {
    localStorage.setItem(KEPT, chosen);
    setLanguage(chosen);
  };
  return <Context value={{ ...spoken, speak }}>{children}</Context>;
}
