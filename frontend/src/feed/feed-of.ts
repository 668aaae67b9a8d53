import type { Api } from "@/shared/api";
import type { Config } from "@/shared/config";
import type { Identity } from "@/shared/identity";
import type { JobFeed } from "./job-feed";
import { pollingFeed } from "./polling-feed";
import { resilientFeed, type Teller } from "./resilient-feed";

/** The feed for this page. Where nobody is known, Firestore's rules show nothing, and there is no Firestore everywhere. */
export function feedOf(config: Config, identity: Identity, api: Api, said: (teller: Teller) => void): JobFeed {
  const firestore = async () => {
    const uid = await identity.uid();
    if (!uid || !(config.firestoreEmulator || config.firebase)) throw new Error("no Firestore here");
    return (await import("./firestore-feed")).firestoreFeed(config, uid);
  };
  return resilientFeed(firestore, pollingFeed(api), said);
}
