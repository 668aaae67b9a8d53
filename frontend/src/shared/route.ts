// Where one is: five addresses, by the history of the browser.
import { type MouseEvent, useSyncExternalStore } from "react";

export type Route =
  | { readonly at: "create"; readonly jobId?: string }
  | { readonly at: "films" }
  | { readonly at: "gallery" }
  | { readonly at: "shared"; readonly token: string };

export function parseRoute(path: string): Route {
  const [first = "", second] = path.split("/").filter(Boolean);
  if (first === "job" && second) return { at: "create", jobId: decoded(second) };
  if (first === "films") return { at: "films" };
  if (first === "gallery") return { at: "gallery" };
  if (first === "shared" && second) return { at: "shared", token: decoded(second) };
  return { at: "create" };
}

/** What somebody has typed may be no encoding of anything. */
function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function pathOf(route: Route): string {
  switch (route.at) {
    case "create":
      return route.jobId ? `/job/${encodeURIComponent(route.jobId)}` : "/";
    case "shared":
      return `/shared/${encodeURIComponent(route.token)}`;
    default:
      return `/${route.at}`;
  }
}

const MOVED = "moved";

export function go(route: Route): void {
  const path = pathOf(route);
  if (path !== location.pathname) history.pushState(null, "", path);
  dispatchEvent(new Event(MOVED));
}

function listen(heard: () => void): () => void {
  addEventListener(MOVED, heard);
  addEventListener("popstate", heard);
  return () => {
    removeEventListener(MOVED, heard);
    removeEventListener("popstate", heard);
  };
}

export const usePath = (): string => useSyncExternalStore(listen, () => location.pathname);

/** What a link needs: an address to open elsewhere, and no reload here. */
export function linkTo(route: Route): { href: string; onClick: (event: MouseEvent) => void } {
  return {
    href: pathOf(route),
    onClick: (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
      event.preventDefault();
      go(route);
      scrollTo({ top: 0 });
    },
  };
}
