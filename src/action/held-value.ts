/** One action at a value that was set, until another is: a slider on the page as an input source. */
import type { ActionSpec } from "../model/manifest";
import { atRest, type InputSource } from "./source";

export interface HeldValue extends InputSource {
  /** @param time of the event, ms on the page's clock */
  set(value: number, time: number): void;
}

/** @param index of the action; the others stay at rest */
export function createHeldValue(actions: readonly ActionSpec[], index: number): HeldValue {
  const action = atRest(actions);
  let since: number | undefined;
  return {
    set(value, time) {
      action[index] = value;
      since ??= time;
    },
    sample() {
      const sample = { action: action.slice(), since };
      since = undefined;
      return sample;
    },
    clear() {
      since = undefined; // a slider that nobody touches stays where it is
    },
    close: () => undefined,
  };
}
