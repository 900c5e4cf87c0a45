/**
 * The world contract, made from a dream: a pure function from a state and an action to the next state. Here live the
 * checks of what comes in, the timeline behind `rewind`, and the rule of one call at a time, for the network
 * (`network-world.ts`) and for the world without weights (`fake-world.ts`) alike.
 */
import { checkAction } from "../action/action";
import { ActionError, ResetError, StateError } from "../errors";
import { slotCount } from "./kv-window";
import type { Manifest } from "./manifest";
import { createTimeline } from "./timeline";
import { takeTurns } from "./turns";
import type { Action, Context, Frame, ResetOptions, Snapshot, World } from "./world";

/** Where a session begins; checked. */
export type Beginning = { readonly seed: number } & ({ readonly start: number } | { readonly context: Context });

/** What a kind of world has to bring. States are immutable: nobody writes into their arrays. */
export interface Dream {
  readonly manifest: Manifest;
  readonly packageSha256: string;
  readonly backend: World["backend"];
  /** The state at tick 0. */
  begin(beginning: Beginning): Promise<Snapshot>;
  advance(state: Snapshot, action: Action): Promise<Snapshot>;
  close(): Promise<void>;
}

export interface DreamOptions {
  /** How many ticks `rewind` can go back; default: 60 seconds of them. */
  readonly timelineCapacity?: number;
}

const REWIND_SECONDS = 60;

/** The world that dreams this dream; closing it closes the dream. */
export function createWorld(dream: Dream, options: DreamOptions = {}): World {
  const { manifest, packageSha256 } = dream;
  const timeline = createTimeline<Snapshot>(
    options.timelineCapacity ?? Math.round(REWIND_SECONDS * manifest.frameRate),
  );
  const inTurn = takeTurns();
  let closed = false;

  const open = () => {
    if (closed) throw new StateError("The world is closed. Open it again.");
  };
  const current = (): Snapshot => {
    open();
    if (!timeline.newest) throw new StateError("The world has no state yet. Call reset first.");
    return timeline.newest;
  };
  const startOver = (state: Snapshot): Frame => {
    open(); // it may have been closed while the beginning was computed
    timeline.clear();
    timeline.push(state);
    return frameOf(state);
  };

  return {
    manifest,
    backend: dream.backend,
    reset: (resetOptions) =>
      inTurn(async () => {
        open();
        return startOver(await dream.begin(checkReset(resetOptions, manifest)));
      }),
    step(action) {
      const own = action.slice(); // the caller may reuse its buffer while this waits for its turn
      return inTurn(async () => {
        const state = current();
        checkAction(own, manifest.actions);
        const next = await dream.advance(state, own);
        open();
        timeline.push(next);
        return frameOf(next);
      });
    },
    rewind: (ticks) =>
      inTurn(async () => {
        current();
        if (!Number.isInteger(ticks) || ticks < 0) {
          throw new StateError(`rewind: expected a whole number of ticks, 0 or more, got ${ticks}`);
        }
        timeline.rewind(ticks);
        return frameOf(current());
      }),
    status: () =>
      inTurn(async () => ({
        rewindable: timeline.rewindable,
        kvFilled: timeline.newest?.slots.filter((slot) => slot !== null).length ?? 0,
        kvSlots: slotCount(manifest.kv),
      })),
    snapshot: () => inTurn(async () => structuredClone(current())),
    restore: (snapshot) =>
      inTurn(async () => {
        open();
        checkSnapshot(snapshot, manifest, packageSha256);
        return startOver(structuredClone(snapshot));
      }),
    async close() {
      if (closed) return;
      closed = true;
      await inTurn(async () => {
        timeline.clear();
        await dream.close();
      });
    },
  };
}

/** A state's own frame; the receiver owns it. */
const frameOf = ({ frame }: Snapshot): Frame => ({ ...frame, rgba: frame.rgba.slice() });

/** @throws ResetError */
export function checkReset({ seed, start, context }: ResetOptions, manifest: Manifest): Beginning {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new ResetError(`seed: expected an integer from 0 to ${Number.MAX_SAFE_INTEGER}, got ${seed}`);
  }
  if (context !== undefined) {
    if (start !== undefined) throw new ResetError("expected a start or a context, got both");
    checkContext(context, manifest);
    return { seed, context };
  }
  const last = manifest.starts.length - 1;
  const index = start ?? 0;
  if (!Number.isInteger(index) || index < 0 || index > last) {
    throw new ResetError(`start: expected an integer from 0 to ${last}, got ${index}`);
  }
  return { seed, start: index };
}

/** @throws ResetError */
function checkContext({ frames, actions }: Context, manifest: Manifest): void {
  const { width, height } = manifest.picture;
  const count = frames.length / (width * height * 3);
  if (!Number.isInteger(count) || count < 1) {
    throw new ResetError(
      `context: expected one or more pictures of ${height} x ${width} x 3 bytes, got ${frames.length} bytes`,
    );
  }
  const values = manifest.actions.length;
  if (actions.length !== (count - 1) * values) {
    throw new ResetError(
      `context: expected ${count - 1} actions between ${count} pictures (${(count - 1) * values} values), got ${actions.length} values`,
    );
  }
  for (let i = 0; i < count - 1; i++) {
    try {
      checkAction(actions.subarray(i * values, (i + 1) * values), manifest.actions);
    } catch (error) {
      if (!(error instanceof ActionError)) throw error;
      throw new ResetError(`context, action ${i}: ${error.message}`, { cause: error });
    }
  }
}

/** @throws ResetError */
function checkSnapshot(snapshot: Snapshot, { latent, kv, picture }: Manifest, packageSha256: string): void {
  if (snapshot.packageSha256 !== packageSha256) {
    throw new ResetError(
      `snapshot: expected one of package ${packageSha256}, got one of ${snapshot.packageSha256}. Open that version of the world.`,
    );
  }
  const slots = slotCount(kv);
  const sound =
    snapshot.latent.length === latent.tokens * latent.channels &&
    snapshot.slots.length === slots &&
    snapshot.written.length === slots &&
    snapshot.slots.every((slot) => slot === null || slot.length === kv.layers * 2 * kv.tokens * kv.width) &&
    snapshot.frame.rgba.length === picture.width * picture.height * 4;
  if (!sound) throw new ResetError("snapshot: expected the sizes of this world, got others. Reset instead.");
}
