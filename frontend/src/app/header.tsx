import { Moon, Sun } from "lucide-react";
import { useState } from "react";
import { Button } from "@/components/ui/button";
import { cn } from "@/shared/cn";
import { chooseScheme, currentScheme } from "@/shared/colours";
import { useLanguage } from "@/shared/i18n/language";
import { linkTo, type Route } from "@/shared/route";

export function Header({ route }: { route: Route }) {
  const { text, language, speak } = useLanguage();
  const [scheme, setScheme] = useState(currentScheme);
  const other = scheme === "dark" ? "light" : "dark";
  const toggle = () => {
    chooseScheme(other);
    setScheme(other);
  };
  return (
    <header className="border-b bg-card">
      <div className="mx-auto flex max-w-7xl flex-wrap items-center gap-x-2 px-4 py-2">
        <a {...linkTo({ at: "create" })} className="mr-auto flex items-center gap-2 py-2 font-heading text-lg font-bold">
          <img src="/eye.svg" alt="" width={26} height={26} /> Life As Not Me
        </a>
        <nav aria-label={text.nav.main} className="flex gap-1 max-sm:order-last max-sm:w-full max-sm:justify-between">
          {(["create", "films", "gallery"] as const).map((at) => (
            <Button key={at} variant="ghost" asChild className={cn("max-sm:px-2.5", route.at === at && "bg-muted")}>
              <a {...linkTo({ at })} aria-current={route.at === at ? "page" : undefined}>
                {text.nav[at]}
              </a>
            </Button>
          ))}
        </nav>
        <Button variant="ghost" lang={language === "en" ? "de" : "en"} onClick={() => speak(language === "en" ? "de" : "en")}>
          {text.switchLanguage}
        </Button>
        <Button variant="ghost" size="icon" aria-label={text.toggleTheme[other]} onClick={toggle}>
          {other === "dark" ? <Moon aria-hidden /> : <Sun aria-hidden />}
        </Button>
      </div>
    </header>
  );
}
