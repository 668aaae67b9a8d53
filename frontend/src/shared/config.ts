// Where the page runs: /config.json, read once, all faults together.
export interface Config {
  /** Address of the API, without a slash at its end; "" is where the page comes from. */
  readonly api: string;
  readonly project: string;
  /** host:port of the emulator, on one machine. */
  readonly firestoreEmulator: string | null;
  /** Web configuration of the Firebase project, in the cloud. */
  readonly firebase: Readonly<Record<string, string>> | null;
  /** Of reCAPTCHA Enterprise, by which App Check knows this page; null: the API does not ask for it. */
  readonly appCheckSiteKey: string | null;
  /** Unsigned token of whoever sits at this machine. */
  readonly localToken: string | null;
}

export class ConfigError extends Error {}

const isTextOrNull = (value: unknown): value is string | null => value === null || typeof value === "string";

function isRecordOfText(value: unknown): value is Record<string, string> {
  return typeof value === "object" && value !== null && Object.values(value).every((each) => typeof each === "string");
}

/** Throws a ConfigError that names every fault. */
export function parseConfig(given: unknown): Config {
  if (typeof given !== "object" || given === null) throw new ConfigError("config.json: must be an object");
  const { api, project, firestore_emulator = null, firebase = null, app_check_site_key = null, local_token = null } = given as Record<string, unknown>;
  const faults: string[] = [];
  if (typeof api !== "string" || !/^(https?:\/\/.+)?$/.test(api)) faults.push("api: must be an http address, or empty");
  if (typeof project !== "string" || project === "") faults.push("project: must be a name");
  if (!isTextOrNull(firestore_emulator) || (firestore_emulator && !/^[^/]+:\d+$/.test(firestore_emulator))) {
    faults.push("firestore_emulator: must be host:port or null");
  }
  if (firebase !== null && !isRecordOfText(firebase)) faults.push("firebase: must be an object of texts or null");
  if (!isTextOrNull(app_check_site_key)) faults.push("app_check_site_key: must be a key or null");
  if (!isTextOrNull(local_token)) faults.push("local_token: must be a token or null");
  if (faults.length > 0) throw new ConfigError(`config.json: ${faults.join("; ")}`);
  return {
    api: (api as string).replace(/\/+$/, ""),
    project: project as string,
    firestoreEmulator: firestore_emulator as string | null,
    firebase: firebase as Record<string, string> | null,
    appCheckSiteKey: app_check_site_key as string | null,
    localToken: local_token as string | null,
  };
}

/** Throws a ConfigError where there is none, or a wrong one. */
export async function readConfig(): Promise<Config> {
  const response = await fetch("/config.json", { cache: "no-store" });
  if (!response.ok) throw new ConfigError(`config.json: the server answers ${response.status}`);
  return parseConfig(await response.json().catch(() => null));
}
