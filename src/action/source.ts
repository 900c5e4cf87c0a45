/**
 * What the keyboard, the gamepad and the touch controls have in common: each says, once per tick, which value it wants
 * for every action. Choosing between them is the sampler's task.
 */
import type { ActionSpec } from "../model/manifest";

export interface Sample {
  /** One value per action, in table order and in the environment's units; the receiver owns it. */
  readonly action: Float32Array;
  /** Event time (ms on the page's clock) of the oldest change that this sample is the first to hold, if any. */
  readonly since: number | undefined;
  /** What the world is told from this tick on; absent: as before. */
  readonly prompt?: string;
  /** uint8 RGB [height, width, 3], a picture of the moment that the step makes; absent: as before. */
  readonly guide?: Uint8Array;
}

export interface InputSource {
  /** Called once per tick, when the step is dispatched. A press that came and went since the last call still counts. */
  sample(): Sample;
  /** Lets go of everything, as when the window loses focus. */
  clear(): void;
  /** Stops listening, for good. */
  close(): void;
}

/** Maps a control's deflection, [-1, 1], onto an action: 0 is rest, 1 is max, -1 is min. */
export function deflect(spec: ActionSpec, deflection: number): number {
  return deflection < 0
    ? spec.rest + deflection * (spec.rest - spec.min)
    : spec.rest + deflection * (spec.max - spec.rest);
}

/** The vector of an untouched world. */
export function atRest(actions: readonly ActionSpec[]): Float32Array {
  return Float32Array.from(actions, (spec) => spec.rest);
}
