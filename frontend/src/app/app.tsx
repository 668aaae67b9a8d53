import { lazy, Suspense, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { feedOf } from "@/feed/feed-of";
import type { Teller } from "@/feed/resilient-feed";
import { Api } from "@/shared/api";
import type { Config } from "@/shared/config";
import { useText } from "@/shared/i18n/language";
import { identityOf } from "@/shared/identity";
import { PageProvider } from "@/shared/page";
import { useCatalogues } from "./catalogues";
import { Create } from "./create";
import { GalleryFilm } from "./gallery-film";
import { Header } from "./header";
import { parseRoute, usePath } from "@/shared/route";
import { SharedFilm } from "./shared-film";

const History = lazy(() => import("@/features/history/history"));
const Gallery = lazy(() => import("@/features/gallery/gallery"));

/** Makes what the page depends on, once. */
export function App({ config }: { config: Config }) {
  const [teller, setTeller] = useState<Teller>();
  const page = useMemo(() => {
    const identity = identityOf(config);
    const api = new Api(config.api, identity);
    return { api, identity, feed: feedOf(config, identity, api, setTeller) };
  }, [config]);
  return (
    <PageProvider value={page}>
      <Frame isLocal={page.identity.isLocal} teller={teller} />
    </PageProvider>
  );
}

function Frame({ isLocal, teller }: { isLocal: boolean; teller: Teller | undefined }) {
  const text = useText();
  const route = parseRoute(usePath());
  const isOnline = useOnline();
  const catalogues = useCatalogues();
  const perspectives = catalogues.perspectives.value ?? [];
  const main = useRef<HTMLElement>(null);
  const at = useRef(route.at);
  useEffect(() => {
    document.title = `${route.at === "shared" ? text.shared.heading : text.nav[route.at]} · Life As Not Me`;
  }, [route.at, text]);
  useEffect(() => {
    if (at.current !== route.at) main.current?.focus({ preventScroll: true }); // who listens is told of another page
    at.current = route.at;
  }, [route.at]);
  return (
    <div className="flex min-h-dvh flex-col" data-testid="feed" data-feed={teller}>
      <a href="#main" className="sr-only rounded-full bg-primary text-primary-foreground focus:not-sr-only focus:absolute focus:z-50 focus:m-2 focus:px-4 focus:py-2">
        {text.skip}
      </a>
      <Header route={route} />
      <div role="status" className="text-center text-sm">
        {!isOnline && <p className="bg-muted px-4 py-2">{text.offline}</p>}
        {isOnline && teller === "polling" && <p className="bg-muted px-4 py-1 text-muted-foreground">{text.notLive}</p>}
      </div>
      <main ref={main} id="main" tabIndex={-1} className="mx-auto w-full max-w-7xl flex-1 px-4 py-6 focus-visible:outline-none">
        <Suspense fallback={<p role="status">{text.loading}</p>}>
          {route.at === "create" && <Create jobId={route.jobId} catalogues={catalogues} />}
          {route.at === "films" && <History perspectives={perspectives} />}
          {route.at === "gallery" && <Gallery perspectives={perspectives} Player={GalleryFilm} />}
          {route.at === "shared" && <SharedFilm token={route.token} perspectives={perspectives} />}
        </Suspense>
      </main>
      <footer className="border-t px-4 py-4 text-center text-sm text-muted-foreground">
        <p>{text.footer}</p>
        {isLocal && <p>{text.notSignedIn}</p>}
      </footer>
    </div>
  );
}

function listen(heard: () => void): () => void {
  addEventListener("online", heard);
  addEventListener("offline", heard);
  return () => {
    removeEventListener("online", heard);
    removeEventListener("offline", heard);
  };
}

const useOnline = (): boolean => useSyncExternalStore(listen, () => navigator.onLine);
