/**
 * Going on from where a file left off: at once in the open world, or in another one, which finds out from here where it is
 * to begin. What goes from one to the other lies in the tab's own storage, since it is too long for an address.
 */
import { z } from "zod/mini";
import { RecordingError } from "../errors";
import type { SessionBeginning, StartBeginning } from "../model/beginning";
import type { Told } from "../model/prompt";
import type { Action } from "../model/world";
import { formatHash } from "../record/share-link";
import type { Session } from "./session";

export interface Destination extends StartBeginning {
  readonly world: string;
  /** As `packActions` gives them. */
  readonly actions: string;
  /** As `packTold` gives them. */
  readonly prompts?: string | undefined;
}

/** What the tab keeps; seed and start are in the address. */
const keptSchema = z.object({ world: z.string(), actions: z.string(), prompts: z.optional(z.string()) });

const KEY = "worldloop:go-on";

/** Opens the world, which then goes there. @throws RecordingError where the browser keeps nothing for this page */
export function handOver({ world, seed, start, actions, prompts }: Destination): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify({ world, actions, prompts }));
  } catch (error) {
    throw new RecordingError(
      `Going on: expected the browser to keep where to, but it refused (${(error as Error).message}). Open ${world} first, then the file again.`,
    );
  }
  location.hash = formatHash({ world, seed, start }); // the page opens what its address says
}

/** What leads to where this world is to go on, packed, if it was opened for that; given once. */
export function takeDestination(world: string): Pick<Destination, "actions" | "prompts"> | undefined {
  try {
    const kept = sessionStorage.getItem(KEY);
    sessionStorage.removeItem(KEY);
    const { data } = keptSchema.safeParse(JSON.parse(kept ?? "null"));
    return data?.world === world ? data : undefined;
  } catch (error) {
    console.info(`Nothing is kept for this tab: ${(error as Error).message}`);
    return undefined;
  }
}

/** Where actions of a file lead. */
export interface Way extends SessionBeginning {
  readonly actions: readonly Action[];
  readonly told?: readonly Told[];
}

export interface WayOptions {
  /** Aborting stays where it has come by then. */
  readonly signal?: AbortSignal;
  /** Of a way that takes long. */
  readonly onTick: (done: number, of: number) => void;
}

/** In the open world. @throws ResetError, the session being as it was */
export async function goOnHere(
  session: Session,
  { actions, told = [], ...beginning }: Way,
  { signal, onTick }: WayOptions,
): Promise<void> {
  const packed = Float32Array.from(actions.flatMap((action) => Array.from(action)));
  const branch = { name: "Branch 1", parting: null, actions: packed, ...(told.length > 0 ? { told } : {}) };
  const at = { branch: 0, tick: actions.length };
  const watching = session.seeking.progress.subscribe((way) => way && onTick(way.done, way.total));
  const stop = () => session.seeking.cancel();
  signal?.addEventListener("abort", stop);
  try {
    await session.load(beginning, { width: actions[0]?.length ?? 0, branches: [branch], at });
  } finally {
    watching.unsubscribe();
    signal?.removeEventListener("abort", stop);
  }
}

/** Waits there for a key. */
export const standThere = ({ loop, frame }: Session): void =>
  loop.pause(`Tick ${frame()?.tick}, as the file has it.`, true);
