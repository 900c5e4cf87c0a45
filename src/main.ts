/**
 * The page's entry: shows what the address names, the gallery or a world, and goes along when the address changes. A
 * world's own doings change the address without an event.
 */
import type { Stats } from "./loop/stats";
import type { WorkerWorld } from "./model/worker-client";
import type { Frame } from "./model/world";
import { worldIn } from "./page/address";
import { connectDrop } from "./page/drop";
import type { Session } from "./page/session";
import { openPlace, type Visit, visitWorld } from "./page/visit";
import { visitGallery } from "./page/visit-gallery";

declare global {
  interface Window {
    /** For tests, measurements and the curious; there while a world is open. */
    worldloop?: {
      readonly world: WorkerWorld;
      readonly session: Session;
      frame(): Frame | undefined;
      stats(): Stats;
    };
  }
}

let visit: Visit | undefined;
let world: string | undefined; // that is open, or was before

function follow(): void {
  const cameFrom = visit && { world };
  visit?.leave();
  const named = worldIn(location.hash);
  visit =
    named === undefined
      ? visitGallery(location, { cameFrom: cameFrom?.world })
      : visitWorld(location, { takeFocus: cameFrom !== undefined });
  world = named;
}

connectDrop(openPlace);
window.addEventListener("hashchange", follow);
follow();
