// What every part of the page may use: the API, the feed, and who is here.
import { createContext, use } from "react";
import type { JobFeed } from "@/feed/job-feed";
import type { Api } from "./api";
import type { Identity } from "./identity";

export interface Page {
  readonly api: Api;
  readonly feed: JobFeed;
  readonly identity: Identity;
}

const Context = createContext<Page | null>(null);
export const PageProvider = Context;

export function usePage(): Page {
  const page = use(Context);
  if (!page) throw new Error("outside of the page");
  return page;
}
