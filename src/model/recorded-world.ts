/**
 * A world that remembers its session: every call goes through to the world beneath, and into the journal. So time can go
 * anywhere: back as far as the session began, along any branch, by playing recorded actions from the nearest kept state.
 * The same for a world in a worker (`worker-client.ts`) and for one in this thread. Guides aren't remembered, but for
 * those of the states that are kept: what is played again goes on under the last of these.
 */
import { StateError } from "../errors";
import type { Point } from "./branch-tree";
import { createJournal, type Journal, type JournalView, type SessionRecord } from "./journal";
import { cleanPrompt, promptWith } from "./prompt";
import type { Action, Frame, ResetOptions, Snapshot, World } from "./world";

export interface SeekOptions {
  /** Aborting leaves the world at the tick that it has come to, whose frame is then the result. */
  readonly signal?: AbortSignal | undefined;
  /** Each frame on the way, with how many ticks are left. */
  readonly onStep?: ((frame: Frame, left: number) => void) | undefined;
}

export interface RecordedWorld extends World {
  readonly journal: JournalView;
  /**
   * Goes to any tick of any branch; nothing is forgotten.
   * @throws StateError when there is no such tick, and what `restore` and `step` throw
   */
  seek(to: Point, options?: SeekOptions): Promise<Frame>;
  /**
   * Goes on at a start of the world, as a new branch of this session, under its seed; nothing is forgotten.
   * @throws StateError where the session began at neither a start nor a picture, and what `reset` throws
   */
  cut(start: number): Promise<Frame>;
  /**
   * Begins a saved session, at its first frame; `seek` goes on from there.
   * @param keyframe a state of its last branch, which saves the way there
   */
  load(from: ResetOptions, recorded: SessionRecord, keyframe?: Snapshot): Promise<Frame>;
}

/** The calls of a world that change its state. */
type Played = Pick<World, "reset" | "step" | "rewind" | "restore" | "snapshot">;

/** @param onFailure told when a snapshot can't be had: a replay only takes longer then */
export function recordCalls(
  world: Played,
  onFailure: (error: Error) => void,
  journal: Journal = createJournal(),
): Pick<RecordedWorld, "reset" | "step" | "rewind" | "restore" | "seek" | "cut" | "load"> & {
  /** Brings the session back into a world that knows nothing of it. */
  recover(): Promise<Frame>;
} {
  /** Asked for between two steps and not waited for: the worker answers while the page waits for the next tick. */
  function takeSnapshotWhenDue(): void {
    const token = journal.due();
    if (token) world.snapshot().then((snapshot) => journal.keep(token, snapshot), onFailure);
  }

  async function step(action: Action, prompt?: string, guide?: Uint8Array): Promise<Frame> {
    const own = action.slice(); // the caller may reuse its buffer, and the journal reads it after the call
    const text = prompt === undefined ? undefined : cleanPrompt(prompt);
    const frame = await world.step(own, text, guide);
    journal.acted(own, text);
    journal.seen(frame);
    takeSnapshotWhenDue();
    return frame;
  }

  async function seek(to: Point, { signal, onStep }: SeekOptions = {}): Promise<Frame> {
    const branch = journal.branches().find(({ id }) => id === to.branch);
    const way = branch && to.tick <= branch.end && Number.isInteger(to.tick) ? journal.wayTo(to) : null;
    if (!way || to.tick < journal.first) {
      const expected = branch
        ? `a tick from ${journal.first} to ${branch.end} of ${branch.name}`
        : "a branch of this session";
      throw new StateError(`seek: expected ${expected}, got tick ${to.tick} of branch ${to.branch}.`);
    }
    let frame = await approach(to, way);
    const told = journal.told(to);
    while (frame.tick < to.tick && !signal?.aborted) {
      const action = journal.action({ branch: to.branch, tick: frame.tick });
      if (!action) throw new StateError(`seek: branch ${to.branch} has gone on the way. Choose another one.`);
      frame = await step(action, promptWith(told, frame.tick + 1));
      onStep?.(frame, to.tick - frame.tick);
    }
    return frame;
  }

  /** The nearest frame on the way that can be had at once. Afterwards the journal stands there, on the branch of `to`. */
  async function approach(to: Point, way: NonNullable<ReturnType<Journal["wayTo"]>>): Promise<Frame> {
    const { position } = journal;
    const shared = journal.shared(position, to);
    if (shared >= way.tick) {
      const frame = await world.rewind(position.tick - shared);
      if (frame.tick === shared) {
        journal.moved({ branch: to.branch, tick: shared });
        return frame;
      }
    }
    const frame = await ("reset" in way.from ? world.reset(way.from.reset) : world.restore(way.from.snapshot));
    journal.moved({ branch: to.branch, tick: frame.tick });
    return frame;
  }

  return {
    async reset(options) {
      if (journal.from === null) journal.began({ reset: options }); // so that a crash in here can be recovered from
      const frame = await world.reset(options);
      journal.began({ reset: options });
      journal.seen(frame);
      return frame;
    },
    step,
    async rewind(ticks) {
      const { position } = journal;
      const frame = await world.rewind(ticks);
      journal.moved({ branch: position.branch, tick: frame.tick });
      const wanted = Math.max(journal.first, position.tick - ticks);
      return frame.tick > wanted ? seek({ branch: position.branch, tick: wanted }) : frame;
    },
    async restore(snapshot) {
      const frame = await world.restore(snapshot);
      journal.began({ snapshot });
      journal.seen(frame);
      return frame;
    },
    seek,
    async cut(start) {
      if (!journal.from || "snapshot" in journal.from) {
        throw new StateError("cut: expected a session that began at a start or a picture. Reset first.");
      }
      const frame = await world.reset({ seed: journal.from.reset.seed, start });
      journal.cut(start);
      journal.seen(frame);
      return frame;
    },
    async load(from, recorded, keyframe) {
      const frame = await world.reset(from);
      journal.began({ reset: from }, recorded, keyframe);
      journal.seen(frame);
      return frame;
    },
    async recover() {
      const recovery = journal.recovery();
      if (!recovery)
        throw new StateError("restart: nothing to bring back before the first reset. Open the world again.");
      const { from } = recovery;
      let frame = await ("reset" in from ? world.reset(from.reset) : world.restore(from.snapshot));
      for (const action of recovery.actions) {
        frame = await world.step(action, promptWith(recovery.told, frame.tick + 1));
      }
      return frame;
    },
  };
}
