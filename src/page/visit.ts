/**
 * A visit to a world, from its address to the moment it is left. The worker starts before anything else loads; what the
 * first frames don't need (sheets, video encoder, sparkline) loads when it is asked for. One signal ends it all: the
 * worker, the loop, listeners, what the GPU holds.
 */
import { AbortedError } from "../errors";
import { rgbaOf } from "../model/rgb";
import type { StartPicture } from "../model/worker-api";
import { openWorld } from "../model/worker-client";
import { listWorlds, readAddress } from "./address";
import type { DropPlace } from "./drop";
import { element } from "./elements";
import { renewElements } from "./fresh-elements";
import { announce, showAlert, veil, veilProgress } from "./notices";
import { waysOut } from "./remedies";
import type { Session } from "./session";
import { loadSettings } from "./settings";
import { findSource, nameOf } from "./world-source";

/** What the page shows: a world, or the gallery. */
export interface Visit {
  /** Ends it; the page can be used for the next one at once. */
  leave(): void;
}

let current: DropPlace | undefined;

/** The world that is open, once it is in play. */
export const openPlace = (): DropPlace | undefined => current;

/** @param takeFocus when the person came from elsewhere on this page, the picture gets the focus */
export function visitWorld(location: Location, { takeFocus }: { readonly takeFocus: boolean }): Visit {
  const visit = new AbortController();
  const { signal } = visit;
  document.body.dataset.view = "world";
  document.body.dataset.worldloopState = "loading";
  open(location, signal, takeFocus).catch((error: Error) => {
    if (!signal.aborted) showFailure(error);
  });
  return {
    leave() {
      visit.abort(new AbortedError("The world was left."));
      delete window.worldloop;
      current = undefined;
      renewElements();
      announce("");
    },
  };
}

async function open(location: Location, signal: AbortSignal, takeFocus: boolean): Promise<void> {
  const address = readAddress(location);
  const { url, place } = await findSource(
    address,
    await listWorlds(),
    (progress) => signal.aborted || veilProgress(progress),
  );
  signal.throwIfAborted();
  let session: Session | undefined;
  const page = import("./play");
  const viewing = page.then(({ prepareView }) => prepareView(signal));
  const showStart = async ({ width, height, rgb }: StartPicture) => {
    const view = await viewing;
    if (session || signal.aborted) return;
    view.draw({ width, height, rgba: rgbaOf(rgb) });
    const focused = document.activeElement;
    if (takeFocus && (!focused || focused === document.body)) element("view", HTMLElement).focus();
  };
  const opening = openWorld({
    url,
    engine: address.engine ?? (address.backend ? "ort" : loadSettings().engine),
    ...(address.start === undefined ? {} : { start: address.start }),
    ...(address.precision ? { precision: address.precision } : {}),
    ...(address.backend ? { backend: address.backend } : {}),
    ...(address.threads ? { threads: address.threads } : {}),
    signal,
    onProgress(progress) {
      if (signal.aborted) return;
      if (progress.picture)
        showStart(progress.picture).catch(() => undefined); // the view's failure is told below
      else veilProgress(progress);
    },
    onCrash: (error) => session?.loop.fail(error),
  });
  const [world, { play }, view] = await Promise.all([opening, page, viewing]);
  session = await play(world, view, { address, place, signal });
  current = { session, place, name: nameOf(place) };
  const { frame, stats } = session;
  window.worldloop = { world, session, frame, stats };
}

function showFailure(error: Error): void {
  document.body.dataset.worldloopState = "error";
  veil("");
  const go = (href: string) => (href === location.href ? location.reload() : location.assign(href));
  const remedies = waysOut(error, location.href).map(({ label, href }) => ({ label, run: () => go(href) }));
  showAlert(error, remedies);
}
