/**
 * Makes the world contract (`world.ts`) of a world model: holds the state, checks what comes in, keeps the timeline behind
 * `rewind`, and lets one call run at a time. The same for the network (`network-model.ts`) and for the model without
 * weights (`fake-world.ts`).
 */
import { checkAction } from "../action/action";
import { GuideError, ResetError, StateError } from "../errors";
import { checkReset } from "./beginning";
import { isGuided } from "./contract";
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

/** Bytes that a further state takes: its latent, its picture, its guide, and the one slot that its neighbours don't share. */
export const stateBytes = ({ latent, kv, picture, tick }: Manifest): number =>
  4 * (latent.tokens * latent.channels + kv.layers * 2 * kv.tokens * kv.width + picture.width * picture.height) +
  (isGuided({ tick }) ? 3 * picture.width * picture.height : 0);

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
    step(action, prompt, guide) {
      const own = action.slice(); // the caller may reuse its buffers while this waits for its turn
      const shown = guide?.slice();
      return inTurn(async () => {
        const before = current();
        checkAction(own, manifest.actions);
        if (shown) checkGuide(shown, manifest);
        const told = prompt === undefined ? before : { ...before, prompt: model.checkPrompt(prompt) };
        const state = shown ? { ...told, guide: shown } : told;
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

/** @throws GuideError */
function checkGuide(guide: Uint8Array, { name, tick, picture }: Manifest): void {
  if (!isGuided({ tick })) throw new GuideError(`guide: ${name} takes none; expected no guide`);
  const wanted = picture.width * picture.height * 3;
  if (guide.length !== wanted) {
    const size = `[${picture.height}, ${picture.width}, 3]`;
    throw new GuideError(`guide: expected uint8 ${size}, ${wanted} bytes, got ${guide.length}`);
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
    snapshot.frame.rgba.length === picture.width * picture.height * 4 &&
    (snapshot.guide?.length ?? picture.width * picture.height * 3) === picture.width * picture.height * 3;
  if (!sound) throw new ResetError("snapshot: expected the sizes of this world, got others. Reset instead.");
}
