// The API's calls. Every failure is a Problem; what may take long can be aborted.
import type { Job, Model, Perspective, Request, Theme } from "./contract";
import type { Identity } from "./identity";
import { offline, Problem, problemOf } from "./problems";

/** Whole seconds from the answer until a job is final: as likely sooner as later, and what holds for four of five. */
export interface Eta {
  readonly seconds: number;
  readonly low: number;
  readonly high: number;
}

/** A job as the API shows it: its document, where its parts are, its place in the queue while it waits, and when it will be final. */
export interface JobView extends Job {
  readonly links?: Readonly<Record<string, string>>;
  readonly queue_position?: number;
  readonly eta?: Eta;
}

/** A person's own theme is words: they go into the prompt. */
export interface OwnTheme {
  readonly id: string;
  readonly name: string;
  readonly words: string;
}

export interface Themes {
  /** The catalogue's. */
  readonly themes: readonly Theme[];
  readonly own?: readonly OwnTheme[];
}

/** A wish: a request of which only the perspective is needed. */
export type Wish = Pick<Request, "perspective"> & Partial<Omit<Request, "perspective" | "priority">>;

export interface Film {
  readonly render_key: string;
  readonly perspective: string;
  /** Whoever wishes this has the film at once. */
  readonly wish: Wish;
  readonly poster?: SignedLink;
  readonly video: { readonly width: number; readonly height: number; readonly duration_s: number };
  readonly links: Readonly<Record<string, string>>;
}

export interface Shared {
  readonly perspective: string | null;
  readonly theme: string | null;
  readonly video: { readonly width: number; readonly height: number; readonly duration_s: number };
  readonly links: Readonly<Record<string, string>>;
}

export interface SignedLink {
  readonly url: string;
  readonly expires_at: string;
}

export const ANSWER_TIMEOUT_MS = 20_000;

const pathOfJob = (id: string): string => `/jobs/${encodeURIComponent(id)}`;

export class Api {
  readonly #base: string;
  readonly #identity: Identity;

  constructor(base: string, identity: Identity) {
    this.#base = base;
    this.#identity = identity;
  }

  perspectives = async () => (await this.#get<{ perspectives: Perspective[] }>("/perspectives", "nobody")).perspectives;
  models = async () => (await this.#get<{ models: Model[] }>("/models", "nobody")).models;
  themes = () => this.#get<Themes>("/themes");
  saveTheme = (theme: { name: string; words: string }) => this.#send<OwnTheme>("POST", "/themes", theme);
  forgetTheme = (id: string) => this.#send<null>("DELETE", `/themes/${encodeURIComponent(id)}`);
  /** Empty where the deployment has no gallery. */
  gallery = async () => (await this.#orElse(this.#get<{ films: Film[] }>("/gallery", "nobody"), { films: [] })).films;
  job = (id: string, signal?: AbortSignal) => this.#get<JobView>(pathOfJob(id), "caller", signal);
  /** Newest first; null where the deployment does not list them. */
  jobs = async (signal?: AbortSignal) => (await this.#orElse(this.#get<{ jobs: JobView[] } | null>("/jobs?limit=50", "caller", signal), null))?.jobs ?? null;
  submit = (wish: Wish, key: string, traceparent: string) => this.#send<JobView>("POST", "/jobs", wish, { "Idempotency-Key": key, traceparent });
  cancel = (id: string) => this.#send<JobView>("POST", `${pathOfJob(id)}:cancel`);
  remove = (id: string) => this.#send<null>("DELETE", pathOfJob(id));
  share = (id: string) => this.#send<JobView>("POST", `${pathOfJob(id)}:share`);
  unshare = (id: string) => this.#send<JobView>("POST", `${pathOfJob(id)}:unshare`);
  shared = (token: string) => this.#get<Shared>(`/shared/${encodeURIComponent(token)}`, "nobody");
  /** A signed link, made now: `/jobs/{id}/video` and its like, of the gallery and of shared films too. */
  link = (path: string) => this.#get<SignedLink>(path, path.startsWith("/jobs/") ? "caller" : "nobody");

  #get<T>(path: string, who: "caller" | "nobody" = "caller", signal?: AbortSignal): Promise<T> {
    return this.#call<T>(path, who, signal ? { signal } : {});
  }

  #send<T>(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<T> {
    const json = body === undefined ? {} : { body: JSON.stringify(body), headers: { ...headers, "Content-Type": "application/json" } };
    return this.#call<T>(path, "caller", { method, ...json });
  }

  async #orElse<T>(answer: Promise<T>, missing: T): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      if (error instanceof Problem && (error.status === 404 || error.status === 405)) return missing;
      throw error;
    }
  }

  /** Who calls, and that it is this page. It is no fault of the API's when nobody says so in time. */
  async #credentials(inTime: AbortSignal, wanted: AbortSignal | null | undefined): Promise<Record<string, string>> {
    try {
      const [token, appToken] = await unlessAborted(inTime, Promise.all([this.#identity.token(), this.#identity.appToken()]));
      return { ...(token && { Authorization: `Bearer ${token}` }), ...(appToken && { "X-Firebase-AppCheck": appToken }) };
    } catch (error) {
      if (wanted?.aborted) throw error;
      throw navigator.onLine ? new Problem("unauthenticated", error instanceof Error ? error.message : String(error)) : offline();
    }
  }

  async #call<T>(path: string, who: "caller" | "nobody", init: RequestInit): Promise<T> {
    const signal = init.signal ? AbortSignal.any([init.signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]) : AbortSignal.timeout(ANSWER_TIMEOUT_MS);
    let response: Response;
    const credentials = who === "caller" ? await this.#credentials(signal, init.signal) : {};
    try {
      response = await fetch(this.#base + path, { ...init, headers: { ...(init.headers as Record<string, string> | undefined), ...credentials }, signal });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw offline();
    }
    if (!response.ok) throw await problemOf(response);
    if (response.status === 204) return null as T;
    try {
      return (await response.json()) as T;
    } catch {
      throw new Problem("unreadable", "The answer can't be read.", { status: response.status });
    }
  }
}

/** What it promises, or the signal's reason. */
function unlessAborted<T>(signal: AbortSignal, promised: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
    promised.then(resolve, reject);
  });
}
