/** Plays actions from a beginning and hands out every frame: what `rollout` records and `verify` compares. */

import { createHash } from "node:crypto";
import { AbortedError } from "../errors";
import { promptWith, type Told } from "../model/prompt";
import { rgbOf } from "../model/rgb";
import type { Action, ResetOptions, World } from "../model/world";

export interface Played {
  /** uint8 [H, W, 3]. */
  readonly rgb: Uint8Array;
  /** Of `rgb`, hex. */
  readonly sha256: string;
  /** How long the step took. */
  readonly ms: number;
}

/** The frame that follows each action, in turn. @throws AbortedError between two ticks */
export async function* replay(
  world: World,
  beginning: ResetOptions,
  actions: readonly Action[],
  signal: AbortSignal,
  told: readonly Told[] = [],
): AsyncGenerator<Played> {
  await world.reset(beginning);
  for (const [index, action] of actions.entries()) {
    if (signal.aborted) throw new AbortedError("interrupted");
    const began = performance.now();
    const { rgba } = await world.step(action, promptWith(told, index + 1));
    const ms = performance.now() - began;
    showProgress(index + 1, actions.length);
    const rgb = rgbOf(rgba);
    yield { rgb, sha256: createHash("sha256").update(rgb).digest("hex"), ms };
  }
}

const PROGRESS_EVERY = 25; // ticks

/** On a terminal only: logs and pipes stay clean. The line is wiped at the end. */
function showProgress(done: number, total: number): void {
  if (!process.stderr.isTTY) return;
  if (done === total) process.stderr.write("\r\x1b[K");
  else if (done % PROGRESS_EVERY === 0) process.stderr.write(`\rtick ${done} of ${total}`);
}
