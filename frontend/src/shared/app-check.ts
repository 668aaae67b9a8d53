// That it is this page that calls, and no program of somebody's own: Firebase App Check. Loaded only where the API asks for it.
import { type AppCheck, getToken, initializeAppCheck, ReCaptchaEnterpriseProvider } from "firebase/app-check";
import { appOf } from "./firebase";

let check: AppCheck | undefined;

export async function appToken(options: Readonly<Record<string, string>>, siteKey: string): Promise<string> {
  check ??= initializeAppCheck(appOf(options), { provider: new ReCaptchaEnterpriseProvider(siteKey), isTokenAutoRefreshEnabled: true });
  return (await getToken(check)).token;
}
