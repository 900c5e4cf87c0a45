/** Where a session begins: at a start of the package, or after pictures and actions of the caller's. */
import { checkAction } from "../action/action";
import { ActionError, ResetError } from "../errors";
import type { Manifest } from "./manifest";
import type { Context, ResetOptions } from "./world";

/** At a start of the package. */
export interface StartBeginning {
  /** Seed of every random number of the session, an integer in [0, 2^53). */
  readonly seed: number;
  /** Index into `manifest.starts`. */
  readonly start: number;
}

/** At a start of the package, or at a picture of one's own; which start one was at stays known. */
export interface SessionBeginning extends StartBeginning {
  /** uint8 RGB [height, width, 3] of the world's size, in place of the start. */
  readonly picture?: Uint8Array<ArrayBuffer>;
}

/** What a world is to be given for it. */
export const resetOf = ({ seed, start, picture }: SessionBeginning): ResetOptions =>
  picture ? { seed, context: { frames: picture, actions: new Float32Array(0) } } : { seed, start };

/** Checked `ResetOptions`. */
export type Beginning = StartBeginning | { readonly seed: number; readonly context: Context };

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
