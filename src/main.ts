/**
 * The page's entry: opens the world that the address names and puts it in play. The worker starts before anything else
 * loads; what the first frames don't need (sheets, video encoder, sparkline) loads when it is asked for.
 */
import type { Stats } from "./loop/stats";
import { openWorld, type WorkerWorld } from "./model/worker-client";
import type { Frame } from "./model/world";
import { listWorlds, readAddress } from "./page/address";
import { connectDrop } from "./page/drop";
import { showAlert, veil, veilProgress } from "./page/notices";
import { waysOut } from "./page/remedies";
import type { Session } from "./page/session";
import { loadSettings } from "./page/settings";
import { findSource } from "./page/world-source";

declare global {
  interface Window {
    /** For tests, measurements and the curious. */
    worldloop?: {
      readonly world: WorkerWorld;
      readonly session: Session;
      frame(): Frame | undefined;
      stats(): Stats;
    };
  }
}

let session: Session | undefined;

async function main(): Promise<void> {
  const address = readAddress(location);
  const worlds = await listWorlds();
  const { url, place } = await findSource(address, worlds, veilProgress);
  const engine = address.engine ?? (address.backend ? "ort" : loadSettings().engine);
  const opening = openWorld({
    url,
    engine,
    ...(address.start === undefined ? {} : { start: address.start }),
    ...(address.precision ? { precision: address.precision } : {}),
    ...(address.backend ? { backend: address.backend } : {}),
    ...(address.threads ? { threads: address.threads } : {}),
    onProgress: veilProgress,
    onCrash: (error) => session?.loop.fail(error),
  });
  const page = import("./page/play");
  const [world, { play }, view] = await Promise.all([opening, page, page.then(({ prepareView }) => prepareView())]);
  session = await play(world, view, { address, worlds, place });
  window.worldloop = { world, session, frame: session.frame, stats: session.stats };
}

connectDrop(() => session?.loop);
main().catch((error: Error) => {
  document.body.dataset.worldloopState = "error";
  veil("");
  const go = (href: string) => (href === location.href ? location.reload() : location.assign(href));
  const remedies = waysOut(error, location.href).map(({ label, href }) => ({ label, run: () => go(href) }));
  showAlert(error, remedies);
});

// The page itself changes the address without this event: another link was opened in this tab.
window.addEventListener("hashchange", () => location.reload());
