// What a film has cost, in words.
import type { Cost } from "@/shared/contract";
import type { Text } from "@/shared/i18n/en";

/** Money where the machine has a price, to a hundredth of a cent; else its seconds. */
export function costInWords({ amount, currency, gpu_s }: Cost, language: string, text: Text): string {
  if (amount == null || currency == null) return text.see.unpriced(gpu_s.toLocaleString(language, { maximumFractionDigits: 1 }));
  return amount.toLocaleString(language, { style: "currency", currency, maximumFractionDigits: 4 });
}
