import { Dialog, DialogContent, DialogDescription, DialogTitle } from "@/components/ui/dialog";
import type { Perspective } from "@/shared/contract";
import { factsOf } from "@/shared/facts";
import { useText } from "@/shared/i18n/language";
import { CardPicture } from "@/components/card-picture";

/** How a creature sees, in sentences, and who measured it. */
export function PerspectiveDialog({ perspective, onClose }: { perspective: Perspective | null; onClose: () => void }) {
  const text = useText();
  return (
    <Dialog open={perspective !== null} onOpenChange={(isOpen) => !isOpen && onClose()}>
      {perspective && (
        <DialogContent>
          <DialogTitle lang="en">{perspective.name}</DialogTitle>
          <div className="grid shrink-0 grid-cols-2 gap-2 text-center text-sm">
            {[perspective.id, "camera"].map((id) => (
              <figure key={id}>
                <CardPicture id={id} className="aspect-[25/14] w-full rounded-md" />
                <figcaption lang={id === "camera" ? undefined : "en"}>{id === "camera" ? text.choose.asPerson : perspective.name}</figcaption>
              </figure>
            ))}
          </div>
          <DialogDescription lang="en">{perspective.sight}</DialogDescription>
          {perspective.playful && <p>{text.choose.playful}</p>}
          <p>{text.choose.eyes(`${perspective.camera.height_m} m`, perspective.camera.motion)}</p>
          <section>
            <h3 className="mb-2 font-bold">{text.choose.sources}</h3>
            <ul className="flex flex-col gap-2">
              {factsOf(perspective, text).map((fact) => (
                <li key={fact.says}>
                  {fact.says}
                  <span lang="en" className="block text-sm text-muted-foreground">
                    {fact.isEstimate && `${text.choose.estimate}: `}
                    {fact.source}
                  </span>
                </li>
              ))}
            </ul>
          </section>
        </DialogContent>
      )}
    </Dialog>
  );
}
