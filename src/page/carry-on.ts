/**
 * What was played goes on in a new version of its world: the same start, seed, branches and actions, at the same tick where
 * that is near, with other pictures. Nothing of the session is lost: where it can't go on, it stays among those kept.
 */

import { RecordingError } from "../errors";
import type { Speed } from "../loop/game-loop";
import type { SessionBeginning } from "../model/beginning";
import type { Told } from "../model/prompt";
import type { Action, Frame } from "../model/world";
import { beginningOf, checkSession, type SavedSession } from "../record/session-file";
import { keepingOf } from "./keeping";
import { savedSession } from "./saved-session";
import type { Session } from "./session";

/** What a session leaves to the next one. */
export interface Carried {
  readonly beginning: SessionBeginning;
  /** Undefined where it began at neither a start of the world nor a picture: then its actions are all that goes on. */
  readonly saved: SavedSession | undefined;
  readonly actions: readonly Action[];
  readonly told: readonly Told[];
  readonly frame: Frame | undefined;
  readonly running: boolean;
  readonly speed: Speed;
  /** Its id in the browser's storage, where it is kept. */
  readonly keptAs: string | undefined;
}

/** Ticks that are played again at once: ten to twenty seconds. What is longer is watched from its beginning. */
const MOST_AT_ONCE = 1500;

/** @param name of the world, as links have it */
export async function takeAlong(session: Session, name: string): Promise<Carried> {
  const { autosave } = await keepingOf(session);
  await autosave?.save();
  return {
    beginning: session.beginning.value,
    saved: savedOf(session, name),
    actions: session.actions(),
    told: session.told(),
    frame: session.frame(),
    running: session.loop.state.value.name === "running",
    speed: session.loop.speed.value,
    keptAs: autosave?.id,
  };
}

function savedOf(session: Session, name: string): SavedSession | undefined {
  try {
    const { ids: _, ...saved } = savedSession(session, name);
    return saved;
  } catch (error) {
    if (error instanceof RecordingError) return undefined;
    throw error;
  }
}

/** Plays it in the new version. @returns what came of it, in a sentence */
export async function carryOn(session: Session, carried: Carried): Promise<string> {
  const { loop, world } = session;
  const { beginning, saved, actions, told, running } = carried;
  loop.speed.next(carried.speed);
  if (!saved) {
    await session.begin(beginning, actions, told);
    return "Your actions are played again, from the same beginning.";
  }
  try {
    checkSession(saved, world.manifest);
  } catch (error) {
    const start = beginning.start < world.manifest.starts.length ? beginning.start : 0;
    await session.begin({ seed: beginning.seed, start });
    const kept = carried.keptAs === undefined ? "" : " It is kept under Sessions.";
    return `Your session can't go on in it (${(error as Error).message}).${kept}`;
  }
  const { record } = saved;
  const { at } = record;
  const isLong = at.tick > MOST_AT_ONCE;
  await session.load(beginningOf(saved), isLong ? { ...record, at: { ...at, tick: 0 } } : record);
  if (carried.keptAs !== undefined) void takeTheirPlace(session, carried.keptAs);
  if (isLong) {
    if (running) session.watch();
    return "Your session is long, so you see it from its beginning; touch a control to take over.";
  }
  if (running && session.frame()?.tick === at.tick) loop.resume();
  return `You go on at tick ${session.frame()?.tick ?? 0}, with the same actions behind you.`;
}

/** Else every version that is taken up would leave a session of its own, and push others out of the browser's storage. */
async function takeTheirPlace(session: Session, keptAs: string): Promise<void> {
  (await keepingOf(session)).autosave?.replace(keptAs);
}
