// What the host of the page must know: whom it may ask (its CSP) and, in the cloud, where the API is (config.json).
// Enters: hosting.json and the environment of the build. Leaves: staticwebapp.config.json and config.json in dist.
import { readFileSync } from "node:fs";
import type { Plugin } from "vite";

export type HostingEnv = Readonly<Record<string, string | undefined>>;

/** Google's own hosts of Firestore and of signing in. */
const GOOGLE = [
  "https://firestore.googleapis.com",
  "https://identitytoolkit.googleapis.com",
  "https://securetoken.googleapis.com",
];
const STORAGE = "https://storage.googleapis.com";
/** What App Check needs: https://firebase.google.com/docs/app-check/web/recaptcha-enterprise-provider. */
const APP_CHECK = {
  connect: ["https://content-firebaseappcheck.googleapis.com", "https://www.google.com/recaptcha/"],
  script: ["https://www.google.com/recaptcha/", "https://www.gstatic.com/recaptcha/"],
  frame: ["https://www.google.com/recaptcha/", "https://recaptcha.google.com/recaptcha/"],
};

/** `config.json`, or undefined where the build names no API: then whoever serves the page provides it. */
export function configJson(env: HostingEnv): string | undefined {
  if (!env.VITE_API_URL) return undefined;
  const project = env.VITE_PROJECT;
  const apiKey = env.VITE_FIREBASE_API_KEY;
  const appId = env.VITE_FIREBASE_APP_ID;
  const siteKey = env.VITE_APP_CHECK_SITE_KEY;
  const faults = [
    ...(URL.canParse(env.VITE_API_URL) ? [] : ["VITE_API_URL: must be an address"]),
    ...(project ? [] : ["VITE_PROJECT: is needed"]),
    ...(siteKey && !(apiKey && appId) ? ["VITE_APP_CHECK_SITE_KEY: needs VITE_FIREBASE_API_KEY and VITE_FIREBASE_APP_ID"] : []),
  ];
  if (faults.length > 0) throw new Error(faults.join("; "));
  const firebase = apiKey ? { apiKey, projectId: project, authDomain: `${project}.firebaseapp.com`, ...(appId && { appId }) } : null;
  const config = { api: env.VITE_API_URL, project, firestore_emulator: null, firebase, app_check_site_key: siteKey || null, local_token: null };
  return `${JSON.stringify(config, null, 2)}\n`;
}

/** `staticwebapp.config.json` with the API among the hosts that the page may ask. */
export function hostingConfig(template: string, env: HostingEnv): string {
  const api = env.VITE_API_URL ? [new URL(env.VITE_API_URL).origin] : [];
  const check = env.VITE_APP_CHECK_SITE_KEY ? APP_CHECK : { connect: [], script: [], frame: ["'none'"] };
  return template
    .replace("{connect}", ["'self'", ...api, ...GOOGLE, STORAGE, ...check.connect].join(" "))
    .replace("{script}", ["'self'", ...check.script].join(" "))
    .replace("{frame}", check.frame.join(" "))
    .replaceAll("{storage}", STORAGE);
}

export function hosting(): Plugin {
  return {
    name: "hosting",
    apply: "build",
    generateBundle() {
      const template = readFileSync("hosting.json", "utf-8");
      const emit = (fileName: string, source: string) => this.emitFile({ type: "asset", fileName, source });
      emit("staticwebapp.config.json", hostingConfig(template, process.env));
      const config = configJson(process.env);
      if (config) emit("config.json", config);
    },
  };
}
