import type { Text } from "./i18n/en";

/** Seconds in words, no more exact than one can know. */
export function inWords(seconds: number, text: Text): string {
  if (seconds < 90) return text.wait.seconds(seconds < 10 ? Math.ceil(seconds) : Math.round(seconds / 5) * 5);
  if (seconds < 90 * 60) return text.wait.minutes(Math.round(seconds / 60));
  return text.wait.hours(Math.round(seconds / 3600));
}
