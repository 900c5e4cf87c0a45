/** A visit to the gallery, which loads when it is first shown: whoever opens a world directly doesn't fetch it. */
import { strayIn } from "./address";
import { element } from "./elements";
import { announce, complain } from "./notices";
import type { Visit } from "./visit";

/** @param cameFrom world that was just left: its card gets the focus */
export function visitGallery(location: Location, { cameFrom }: { readonly cameFrom: string | undefined }): Visit {
  const visit = new AbortController();
  visit.signal.addEventListener("abort", () => {
    element("gallery-notices", HTMLElement).replaceChildren();
    announce("");
  });
  document.body.dataset.view = "gallery";
  document.body.dataset.worldloopState = "gallery";
  document.title = "Worldloop";
  const stray = strayIn(location.hash);
  if (stray) complain("This address names no world", stray);
  import("./gallery")
    .then(({ showGallery }) => showGallery(visit.signal, cameFrom))
    .then(async () => (await import("./offline")).keepOffline())
    .catch((error: Error) => visit.signal.aborted || announce(`The gallery can't be shown: ${error.message}`));
  return { leave: () => visit.abort() };
}
