// What can go wrong between the page and the API: one class, with all that a person or a form needs.
import type { ErrorCode } from "./contract";

export interface Fault {
  readonly field: string;
  readonly code: string;
  readonly message: string;
}

/** `offline`: nobody answered. `unreadable`: what answered was no API. */
export type ProblemCode = ErrorCode | "unauthenticated" | "prompt_refused" | "quota_exceeded" | "too_many_requests" | "overloaded" | "not_allowed" | "offline" | "unreadable";

export class Problem extends Error {
  readonly code: ProblemCode;
  readonly status: number;
  readonly faults: readonly Fault[];
  /** Seconds after which it is worth trying again; null: the API named none. */
  readonly retryAfterS: number | null;

  constructor(code: ProblemCode, detail: string, { status = 0, faults = [], retryAfterS = null }: { status?: number; faults?: readonly Fault[]; retryAfterS?: number | null } = {}) {
    super(detail);
    this.code = code;
    this.status = status;
    this.faults = faults;
    this.retryAfterS = retryAfterS;
  }

  /** The same request may be granted in a moment. */
  get isTransient(): boolean {
    return this.code === "offline" || this.code === "unavailable" || this.code === "internal" || (this.code === "unreadable" && this.status >= 502);
  }
}

export const offline = (): Problem => new Problem("offline", "Nobody answers.");

/** The problem that an answer describes (RFC 9457). */
export async function problemOf(response: Response): Promise<Problem> {
  const after = Number(response.headers.get("Retry-After") ?? Number.NaN);
  const retryAfterS = Number.isFinite(after) && after >= 0 ? after : null;
  const body = (await response.json().catch(() => null)) as { code?: ProblemCode; detail?: string; errors?: Fault[] } | null;
  const code = typeof body?.code === "string" ? body.code : "unreadable";
  return new Problem(code, body?.detail ?? `HTTP ${response.status}`, { status: response.status, faults: body?.errors ?? [], retryAfterS });
}

/** Whatever was thrown, as a problem. */
export function asProblem(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem("unreadable", error instanceof Error ? error.message : String(error));
}
