/**
 * The last states of a session, for running time backwards. A full timeline drops its oldest state. States are
 * immutable and share their slots with their neighbours, so keeping one costs a frame, a latent and one slot. Going
 * further back is the page's: `recorded-world.ts`.
 */
export interface Timeline<State> {
  /** The newest state, undefined when there is none. */
  readonly newest: State | undefined;
  /** How many states lie before the newest. */
  readonly rewindable: number;
  push(state: State): void;
  /** Drops up to `ticks` states from the end, never the oldest one left. */
  rewind(ticks: number): void;
  clear(): void;
}

/** @param capacity how many ticks back one can go, at least 0 */
export function createTimeline<State>(capacity: number): Timeline<State> {
  const states: State[] = []; // oldest first
  return {
    get newest() {
      return states.at(-1);
    },
    get rewindable() {
      return Math.max(0, states.length - 1);
    },
    push(state) {
      states.push(state);
      if (states.length > capacity + 1) states.shift();
    },
    rewind(ticks) {
      states.length -= Math.min(ticks, Math.max(0, states.length - 1));
    },
    clear() {
      states.length = 0;
    },
  };
}
