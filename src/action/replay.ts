/**
 * A recorded session as an input source that comes first: it plays its actions and prompts tick by tick and hands over to
 * the live input at its end, or as soon as somebody touches a control or tells the world something.
 */
import { promptWith, type Told } from "../model/prompt";
import type { Sample } from "./source";

export interface Replay {
  /** The recorded action for tick 1, 2, …; afterwards, or once the live input moves, what the live input says. */
  sample(tick: number): Sample;
  playing(): boolean;
  stop(): void;
}

/**
 * @param live the person's input, sampled on every tick so that a touch is noticed
 * @param told what the world was told on the way
 */
export function createReplay(actions: readonly Float32Array[], live: () => Sample, told: readonly Told[] = []): Replay {
  let playing = actions.length > 0;
  live(); // presses from before it began don't end it
  return {
    sample(tick) {
      const now = live();
      const recorded = actions[tick - 1];
      if (!recorded || now.since !== undefined || now.prompt !== undefined) playing = false;
      if (!playing || !recorded) return now;
      const prompt = promptWith(told, tick);
      return { action: recorded.slice(), since: undefined, ...(prompt === undefined ? {} : { prompt }) };
    },
    playing: () => playing,
    stop() {
      playing = false;
    },
  };
}
