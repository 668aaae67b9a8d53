import type { Api } from "@/shared/api";
import type { Config } from "@/shared/config";
import type { Identity } from "@/shared/identity";
import type { JobFeed } from "./job-feed";
import { pollingFeed } from "./polling-feed";
import { resilientFeed, type Teller } from "./resilient-feed";

/** The feed for this page. There is no Firestore everywhere, and its rules show nothing where nobody is known. */
export function feedOf(config: Config, identity: Identity, api: Api, said: (teller: Teller | undefined) => void): JobFeed {
  const hasFirestore = config.firebase !== null || (config.firestoreEmulator !== null && config.localToken !== null);
  if (!hasFirestore) return pollingFeed(api);
  const firestore = async () => {
    const uid = await identity.uid();
    if (!uid) throw new Error("the token names nobody");
    return (await import("./firestore-feed")).firestoreFeed(config, uid);
  };
  return resilientFeed(firestore, pollingFeed(api), said);
}
