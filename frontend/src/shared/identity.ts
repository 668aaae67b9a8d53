// Who is here: an anonymous account of Firebase in the cloud, a local token on one machine, or nobody.
import type { Config } from "./config";

export interface Identity {
  /** For `Authorization: Bearer`; null: the API is called without. */
  token(): Promise<string | null>;
  /** For `X-Firebase-AppCheck`: that it is this page that calls; null: nobody asks for it. */
  appToken(): Promise<string | null>;
  /** What stands as `owner` on own jobs; null: nobody is known. */
  uid(): Promise<string | null>;
  /** Whoever sits at this machine, without having signed in. */
  readonly isLocal: boolean;
}

export function identityOf(config: Config): Identity {
  if (config.localToken) return localIdentity(config.localToken);
  if (config.firebase) return firebaseIdentity(config.firebase, config.appCheckSiteKey);
  return { token: async () => null, appToken: async () => null, uid: async () => null, isLocal: true };
}

function localIdentity(token: string): Identity {
  const uid = subjectOf(token);
  return { token: async () => token, appToken: async () => null, uid: async () => uid, isLocal: true };
}

function firebaseIdentity(firebase: Readonly<Record<string, string>>, siteKey: string | null): Identity {
  let signIn: ReturnType<typeof import("./firebase").signedIn> | undefined;
  const user = () => {
    signIn ??= import("./firebase")
      .then(({ signedIn }) => signedIn(firebase))
      .catch((error: unknown) => {
        signIn = undefined; // another try may find the network again
        throw error;
      });
    return signIn;
  };
  return {
    token: async () => (await user()).getIdToken(),
    appToken: async () => (siteKey ? (await import("./app-check")).appToken(firebase, siteKey) : null),
    uid: async () => (await user()).uid,
    isLocal: false,
  };
}

/** The `sub` of a JSON Web Token; null: it can't be read. */
export function subjectOf(token: string): string | null {
  try {
    const part = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const { sub } = JSON.parse(atob(part)) as { sub?: unknown };
    return typeof sub === "string" ? sub : null;
  } catch {
    return null;
  }
}
