/**
 * Sticky random actions, each held for a while: what `sticky-random` of `training.data.record` does, for any action
 * table. Half of the time what keys can say (at rest, or at an end), half of the time anything between.
 */
import type { ActionSpec } from "../model/manifest";
import { philox } from "../model/rng";
import type { Action } from "../model/world";
import type { Policy } from "./policy";

const STREAM = 1; // the third word of the counter; the world's noise has 0
const [SHORTEST, LONGEST] = [2, 24]; // ticks an action is held

export function createRandomPolicy(specs: readonly ActionSpec[]): Policy {
  let key: readonly [number, number] = [0, 0];
  let [hold, left] = [0, 0];
  let action: Action = new Float32Array(specs.length);
  return {
    begin({ seed }) {
      key = [seed % 2 ** 32, Math.floor(seed / 2 ** 32)];
      [hold, left] = [0, 0];
    },
    act() {
      if (left === 0) {
        const [length, kind] = philox([hold, 0, STREAM, 0], key);
        left = SHORTEST + (length % (LONGEST - SHORTEST + 1));
        action = Float32Array.from(specs, (spec, i) =>
          draw(spec, kind % 2 === 0, philox([hold, 1 + i, STREAM, 0], key)),
        );
        hold += 1;
      }
      left -= 1;
      return action;
    },
    close() {
      left = 0;
    },
  };
}

/** At rest half of the time; else towards one of the ends that isn't the rest. */
function draw({ min, max, rest }: ActionSpec, digital: boolean, words: readonly number[]): number {
  const [pressed = 0, side = 0, far = 0] = words;
  if (pressed % 2 === 0) return rest;
  const ends = [min, max].filter((end) => end !== rest);
  const end = ends[side % ends.length] ?? max;
  return digital ? end : rest + (far / 2 ** 32) * (end - rest);
}
