/**
 * Makes the world contract (`world.ts`) of a world model: holds the state, checks what comes in, keeps the timeline behind
 * `rewind`, and lets one call run at a time. The same for the network (`network-model.ts`) and for the model without
 * weights (`fake-world.ts`).
 */
import { checkAction } from "../action/action";
import { ResetError, StateError } from "../errors";
import { checkReset } from "./beginning";
import { slotCount } from "./kv-window";
import type { Manifest } from "./manifest";
import { createTimeline } from "./timeline";
import { takeTurns } from "./turns";
import type { Frame, Snapshot, World } from "./world";
import type { WorldModel } from "./world-model";

export interface WorldOptions {
  /** How many ticks `rewind` can go back; default: as many as `REWIND_BUDGET` holds. */
  readonly timelineCapacity?: number;
}

/** Bytes of states that are kept for rewinding: 366 of the shipped worlds, 274,432 bytes each, 15 s at 25 ticks/s. */
export const REWIND_BUDGET = 96 * 2 ** 20;

/** Bytes that a further state takes: its latent, its picture and the one slot that its neighbours don't share. */
export const stateBytes = ({ latent, kv, picture }: Manifest): number =>
  4 * (latent.tokens * latent.channels + kv.layers * 2 * kv.tokens * kv.width + picture.width * picture.height);

/** A world with this model's dynamics; closing it closes the model. */
export function createWorld(model: WorldModel, options: WorldOptions = {}): World {
  const { manifest, packageSha256 } = model;
  const timeline = createTimeline<Snapshot>(
    options.timelineCapacity ?? Math.floor(REWIND_BUDGET / stateBytes(manifest)),
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
    get backend() {
      return model.backend;
    },
    reset: (resetOptions) =>
      inTurn(async () => {
        open();
        return startOver(await model.begin(checkReset(resetOptions, manifest)));
      }),
    step(action, prompt) {
      const own = action.slice(); // the caller may reuse its buffer while this waits for its turn
      return inTurn(async () => {
        const before = current();
        checkAction(own, manifest.actions);
        const state = prompt === undefined ? before : { ...before, prompt: model.checkPrompt(prompt) };
        const next = await model.advance(state, own);
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
        await model.close();
      });
    },
  };
}

/** A state's own frame; the receiver owns it. */
const frameOf = ({ frame }: Snapshot): Frame => ({ ...frame, rgba: frame.rgba.slice() });

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
