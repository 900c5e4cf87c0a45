/**
 * A visit to a world, from its address to the moment it is left. The worker starts before anything else loads; what the
 * first frames don't need (sheets, video encoder, sparkline) loads when it is asked for. One signal ends it all: the
 * worker, the loop, listeners, what the GPU holds.
 */
import { AbortedError } from "../errors";
import { rgbaOf } from "../model/rgb";
import type { Progress } from "../model/worker-api";
import { listWorlds, readAddress } from "./address";
import type { DropPlace } from "./drop";
import { element } from "./elements";
import { renewElements } from "./fresh-elements";
import { announce, showAlert, veil, veilProgress } from "./notices";
import { type Drawable, openIn, own } from "./opening";
import { waysOut } from "./remedies";
import type { Session } from "./session";
import { followVersions, type Successor, takeUp } from "./successor";
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
  let visit = new AbortController();
  const leave = () => {
    visit.abort(new AbortedError("The world was left."));
    delete window.worldloop;
    current = undefined;
    renewElements();
    announce("");
  };
  const enter = (options: Entering) => {
    const { signal } = visit;
    document.body.dataset.view = "world";
    document.body.dataset.worldloopState = "loading";
    open(location, signal, options).catch((error: Error) => {
      if (!signal.aborted) showFailure(error);
    });
  };
  const swap = (successor: Successor) => {
    leave();
    visit = new AbortController();
    enter({ takeFocus: true, successor, swap });
  };
  enter({ takeFocus, swap });
  return { leave };
}

interface Entering {
  readonly takeFocus: boolean;
  readonly successor?: Successor;
  /** Puts a new version in the place of this one. */
  swap(successor: Successor): void;
}

async function open(location: Location, signal: AbortSignal, entering: Entering): Promise<void> {
  const { takeFocus, successor, swap } = entering;
  const address = readAddress(location);
  const show = (progress: Progress) => {
    if (signal.aborted) return;
    if (progress.picture) drawAtOnce({ ...progress.picture, rgba: rgbaOf(progress.picture.rgb) });
    else veilProgress(progress);
  };
  const source = successor?.opened ?? (await findSource(address, await listWorlds(), show));
  signal.throwIfAborted();
  const opening = successor ? Promise.resolve(successor.opened) : openIn(source, address, signal, show);
  const owned = opening.then((opened) => own(opened, signal));
  let session: Session | undefined;
  const page = import("./play");
  const viewing = page.then(({ prepareView }) => prepareView(signal));
  async function draw(picture: Drawable): Promise<void> {
    const view = await viewing;
    if (session || signal.aborted) return;
    view.draw(picture);
    const focused = document.activeElement;
    if (takeFocus && (!focused || focused === document.body)) element("view", HTMLElement).focus();
  }
  function drawAtOnce(picture: Drawable): void {
    draw(picture).catch(() => undefined); // the view's failure is told below
  }
  if (successor?.carried.frame) drawAtOnce(successor.carried.frame);
  const [opened, { play }, view] = await Promise.all([owned, page, viewing]);
  const { world, place } = opened;
  session = await play(world, view, {
    ...(successor ? { address: {}, carryOn: (session) => takeUp(session, successor) } : { address }),
    place,
    signal,
  });
  opened.session = session;
  current = { session, place, name: nameOf(place) };
  const { frame, stats } = session;
  window.worldloop = { world, session, frame, stats };
  followVersions(session, opened, swap).catch((error: Error) => {
    console.info(`New versions aren't looked for: ${error.message}`);
  });
}

function showFailure(error: Error): void {
  document.body.dataset.worldloopState = "error";
  veil("");
  const go = (href: string) => (href === location.href ? location.reload() : location.assign(href));
  const remedies = waysOut(error, location.href).map(({ label, href }) => ({ label, run: () => go(href) }));
  showAlert(error, remedies);
}
