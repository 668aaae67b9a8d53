// Firestore's listener: news within a tenth of a second. Loaded lazily, since it is larger than the rest of the page.
import { initializeApp } from "firebase/app";
import {
  collection,
  connectFirestoreEmulator,
  doc,
  type DocumentData,
  type Firestore,
  type FirestoreError,
  getFirestore,
  limit,
  onSnapshot,
  orderBy,
  query,
  type SnapshotMetadata,
  Timestamp,
  where,
} from "firebase/firestore";
import type { JobView } from "@/shared/api";
import type { Config } from "@/shared/config";
import { Problem } from "@/shared/problems";
import type { Hearing, JobFeed } from "./job-feed";

/** A listener that cannot reach its server says nothing of it, but that what it tells is from its cache. */
export const STALE_AFTER_MS = 5_000;
const NEWEST = 50;

/** One instance a page: HTTP/1.1 has six connections a host. */
let database: Firestore | undefined;

export function firestoreFeed(config: Config, uid: string): JobFeed {
  database ??= open(config);
  const db = database;
  const live = { includeMetadataChanges: true };
  return {
    watch: (jobId, hearing) => {
      const fresh = watchdog(hearing);
      const stop = onSnapshot(
        doc(db, "jobs", jobId),
        live,
        (snapshot) => {
          if (fresh.isStale(snapshot.metadata) && !snapshot.exists()) return;
          hearing.hear(snapshot.exists() ? jobOf(snapshot.data()) : null);
        },
        fresh.fail,
      );
      return () => (fresh.stop(), stop());
    },
    watchMine: (hearing) => {
      const fresh = watchdog(hearing);
      const mine = query(collection(db, "jobs"), where("owner", "==", uid), orderBy("created_at", "desc"), limit(NEWEST));
      const stop = onSnapshot(
        mine,
        live,
        (snapshot) => {
          if (fresh.isStale(snapshot.metadata) && snapshot.empty) return;
          hearing.hear(snapshot.docs.map((each) => jobOf(each.data())));
        },
        fresh.fail,
      );
      return () => (fresh.stop(), stop());
    },
  };
}

function open(config: Config): Firestore {
  if (!config.firestoreEmulator) return getFirestore(); // of the app that the sign-in has made
  const db = getFirestore(initializeApp({ projectId: config.project, apiKey: "none" }, "emulator"));
  const [host = "", port] = config.firestoreEmulator.split(":");
  connectFirestoreEmulator(db, host, Number(port), config.localToken ? { mockUserToken: config.localToken } : {});
  return db;
}

/** Fails the hearing when nothing but the cache has spoken for a while. */
function watchdog(hearing: Hearing<never>) {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const stop = () => {
    clearTimeout(timer);
    timer = undefined;
  };
  const wait = () => {
    timer ??= setTimeout(() => hearing.fail(new Problem("offline", "Firestore does not answer.")), STALE_AFTER_MS);
  };
  wait();
  return {
    stop,
    isStale({ fromCache }: SnapshotMetadata): boolean {
      if (fromCache) wait();
      else stop();
      return fromCache;
    },
    fail(error: FirestoreError) {
      stop();
      hearing.fail(new Problem("unavailable", `Firestore: ${error.code}`));
    },
  };
}

/** A job's document, its times as the API writes them. */
export function jobOf(data: DocumentData): JobView {
  return Object.fromEntries(
    Object.entries(data).map(([name, value]) => [name, value instanceof Timestamp ? value.toDate().toISOString() : value]),
  ) as unknown as JobView;
}
