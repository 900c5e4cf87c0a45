/** A new version of the open world takes its place: what looks for it, and what goes on in it, loads when it is needed. */
import { isThisMachine } from "../model/this-machine";
import type { Carried } from "./carry-on";
import { type Opened, openIn } from "./opening";
import type { Session } from "./session";
import { nameOf } from "./world-source";

export interface Successor {
  readonly opened: Opened;
  readonly carried: Carried;
}

/** Looks for new versions of a world of this site, where the page is followed or on this machine. */
export async function followVersions(
  session: Session,
  opened: Opened,
  swap: (successor: Successor) => void,
): Promise<void> {
  const { url, place, address } = opened;
  if (place.world === undefined || url instanceof Blob || !(address.follows || isThisMachine(location.hostname)))
    return;
  const { connectNewVersion } = await import("./new-version");
  if (session.signal.aborted) return;
  const { start: _, ...anywhere } = address; // every file is fetched and checked, wherever it goes on
  connectNewVersion(session, {
    url: new URL(url, document.baseURI).href,
    follows: address.follows === true,
    prepare: () => openIn({ url, place }, anywhere, session.signal),
    async swap(next) {
      const { takeAlong } = await import("./carry-on");
      const carried = await takeAlong(session, nameOf(place));
      if (session.signal.aborted) next.end();
      else swap({ opened: next, carried });
    },
  });
}

/** Goes on in the new version, and says so. */
export async function takeUp(session: Session, { opened, carried }: Successor): Promise<void> {
  const [{ carryOn }, { tellNewVersion }] = await Promise.all([import("./carry-on"), import("./new-version")]);
  const what = await carryOn(session, carried);
  if (session.signal.aborted) return;
  tellNewVersion(new URL(String(opened.url), document.baseURI).href, session.world.packageSha256, what);
}
