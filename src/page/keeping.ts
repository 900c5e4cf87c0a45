/** Keeps sessions in the browser while a world is played, and offers the last one. Loads after the first frame. */
import { firstValueFrom } from "rxjs";
import type { Session } from "./session";
import type { Keeping } from "./sessions-sheet";

const keepings = new WeakMap<Session, Promise<Keeping>>();

/** @param name of the world, as links have it. @param signal ends it */
export function connectKeeping(session: Session, name: string, signal: AbortSignal): void {
  const connect = async (): Promise<Keeping> => {
    await firstValueFrom(session.loop.frames, { defaultValue: undefined });
    if (signal.aborted) return { name, store: undefined, autosave: undefined };
    const [{ openSessionStore }, { connectAutosave }, { offerToGoOn }] = await Promise.all([
      import("./session-store"),
      import("./autosave"),
      import("./offer"),
    ]);
    const store = await openSessionStore();
    const keeping = { name, store, autosave: connectAutosave(session, store, name, signal) };
    await offerToGoOn(session, keeping, signal);
    return keeping;
  };
  const keeping = connect().catch((error: Error) => {
    console.info(`Sessions aren't kept: ${error.message}`); // a private window; files still work
    return { name, store: undefined, autosave: undefined };
  });
  keepings.set(session, keeping);
}

/** Where the sessions of this world are kept. */
export async function keepingOf(session: Session): Promise<Keeping> {
  return (await keepings.get(session)) ?? { name: "", store: undefined, autosave: undefined };
}
