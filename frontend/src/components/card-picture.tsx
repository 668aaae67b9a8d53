import { useState } from "react";
import { CreatureEye } from "@/components/creature-eye";
import { cn } from "@/shared/cn";

/** The one scene that all share, through that creature's eyes; an eye where there is no such picture. Says nothing: its name stands beside. */
export function CardPicture({ id, className }: { id: string; className?: string }) {
  const [isMissing, setIsMissing] = useState(false);
  return (
    <span className={cn("block overflow-hidden bg-muted", className)}>
      {isMissing ? (
        <CreatureEye className="size-full p-4" />
      ) : (
        <img src={`/cards/${id}.webp`} alt="" width={400} height={224} loading="lazy" decoding="async" className="size-full object-cover" onError={() => setIsMissing(true)} />
      )}
    </span>
  );
}
