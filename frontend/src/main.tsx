import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { App } from "@/app/app";
import { Boundary } from "@/app/boundary";
import { NoConfig } from "@/app/no-config";
import { applyScheme } from "@/shared/colours";
import { readConfig } from "@/shared/config";
import { LanguageProvider } from "@/shared/i18n/language";
import "./index.css";

applyScheme();
const root = createRoot(document.getElementById("root") as HTMLElement);
const show = (shown: React.ReactNode) =>
  root.render(
    <StrictMode>
      <LanguageProvider>
        <Boundary>{shown}</Boundary>
      </LanguageProvider>
    </StrictMode>,
  );

readConfig().then(
  (config) => show(<App config={config} />),
  (error: unknown) => show(<NoConfig says={error instanceof Error ? error.message : String(error)} />),
);
