// Where a wish's trace begins: at the click (https://www.w3.org/TR/trace-context/).

/** A new trace, recorded from here on. The page's own part of it is kept nowhere: the API's is its first. */
export function newTraceparent(): string {
  return `00-${hex(16)}-${hex(8)}-01`;
}

function hex(bytes: number): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
