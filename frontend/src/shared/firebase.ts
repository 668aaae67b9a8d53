// Firebase's app and its anonymous account; loaded after the first paint, by the first call that says who calls: for the themes.
import { type FirebaseApp, getApps, initializeApp } from "firebase/app";
import { indexedDBLocalPersistence, initializeAuth, signInAnonymously, type User } from "firebase/auth";

export function appOf(options: Readonly<Record<string, string>>): FirebaseApp {
  return getApps()[0] ?? initializeApp(options);
}

let auth: ReturnType<typeof initializeAuth> | undefined;

export async function signedIn(options: Readonly<Record<string, string>>): Promise<User> {
  auth ??= initializeAuth(appOf(options), { persistence: indexedDBLocalPersistence });
  await auth.authStateReady();
  return auth.currentUser ?? (await signInAnonymously(auth)).user;
}
