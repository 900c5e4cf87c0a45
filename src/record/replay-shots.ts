/** Plays the shots of a record again and hands out the pictures that they show. Knows no file. */
import { AbortedError, RecordingError } from "../errors";
import { resetOf, type SessionBeginning } from "../model/beginning";
import { promptWith, type Told } from "../model/prompt";
import type { Action, Frame, World } from "../model/world";

/** A shot with its actions unpacked. */
export interface PlayableShot extends SessionBeginning {
  readonly from: number;
  readonly to: number;
  /** As many as `to`. */
  readonly actions: readonly Action[];
  /** What the world was told on the way. */
  readonly told?: readonly Told[];
}

export interface ReplayOptions {
  readonly signal?: AbortSignal | undefined;
  /** Called after each tick, with how many there are at most. */
  readonly onTick?: (done: number, of: number) => void;
}

/** The frame of each tick that the shots show, in order. @throws AbortedError between two ticks, ResetError, ActionError */
export async function* replayShots(
  world: World,
  shots: readonly PlayableShot[],
  { signal, onTick }: ReplayOptions = {},
): AsyncGenerator<Frame> {
  const of = shots.reduce((sum, { to }) => sum + to, 0);
  let done = 0;
  let before: PlayableShot | undefined;
  for (const shot of shots) {
    let frame = await beginShot(world, shot, before);
    done += frame.tick;
    if (frame.tick >= shot.from) yield frame; // where it shows the start itself
    while (frame.tick < shot.to) {
      if (signal?.aborted) throw new AbortedError("Replaying was called off.");
      frame = await world.step(shot.actions[frame.tick] as Action, promptWith(shot.told ?? [], frame.tick + 1));
      done += 1;
      onTick?.(done, of);
      if (frame.tick >= shot.from) yield frame;
    }
    before = shot;
  }
}

/** Goes back to where the shot left the one before it, if the world remembers so far; else begins anew. */
async function beginShot(world: World, shot: PlayableShot, before: PlayableShot | undefined): Promise<Frame> {
  if (before && before.seed === shot.seed && before.start === shot.start && before.picture === shot.picture) {
    const ledBy = ({ actions, told = [] }: PlayableShot, i: number) =>
      `${actions[i]?.join()} ${promptWith(told, i + 1)}`;
    const differs = before.actions.findIndex((_, i) => ledBy(before, i) !== ledBy(shot, i));
    const common = Math.min(differs < 0 ? before.actions.length : differs, Math.max(0, shot.from - 1));
    const { rewindable } = await world.status();
    if (before.to - common <= rewindable) return world.rewind(before.to - common);
  }
  return world.reset(resetOf(shot));
}

/** @throws RecordingError when they are fewer or more than the shot's ticks */
export function checkLength({ to }: { readonly to: number }, actions: readonly Action[]): void {
  if (actions.length === to) return;
  throw new RecordingError(
    `The record contradicts itself: it is of tick ${to} and holds ${actions.length} actions. It was changed after it was made.`,
  );
}
