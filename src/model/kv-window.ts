/**
 * The rolling window over past frames: which slot a pass writes, how old each slot is, and the state that holds them.
 * Slots are ordered sink | memory | window. The first passes stay in the sink for ever, later ones go round the window;
 * memory slots are reserved and stay empty. A position is a slot's age, so nothing shifts and a session has no last
 * tick. Everything is pure: states share their slots, which nobody writes to. `python/worldloop/kv_window.py` mirrors the rules.
 */
export interface KvLayout {
  readonly sink: number;
  readonly memory: number;
  readonly window: number;
}

export interface KvState {
  /** Keys and values [layers, 2, tokens, width] of each slot, null when empty. */
  readonly slots: readonly (Float32Array | null)[];
  /** The pass that wrote each slot, −1 when empty. */
  readonly written: readonly number[];
  /** Model passes so far; context counts. */
  readonly passes: number;
}

/** How many slots there are. */
export const slotCount = ({ sink, memory, window }: KvLayout): number => sink + memory + window;

/** The slot that pass number `pass` (0, 1, 2, …) writes. */
export function slotOf(pass: number, { sink, memory, window }: KvLayout): number {
  return pass < sink ? pass : sink + memory + ((pass - sink) % window);
}

export function emptyKv(layout: KvLayout): KvState {
  const count = slotCount(layout);
  return { slots: Array(count).fill(null), written: Array(count).fill(-1), passes: 0 };
}

/** The state after one more pass, which gave `slot`. The new state keeps the array: don't write to it afterwards. */
export function writeSlot(state: KvState, layout: KvLayout, slot: Float32Array): KvState {
  const index = slotOf(state.passes, layout);
  return {
    slots: state.slots.with(index, slot),
    written: state.written.with(index, state.passes),
    passes: state.passes + 1,
  };
}

/** int32 [S]: passes since each slot was written, at least 1; −1 for empty slots. */
export function agesOf({ written, passes }: Pick<KvState, "written" | "passes">): Int32Array<ArrayBuffer> {
  return Int32Array.from(written, (pass) => (pass < 0 ? -1 : passes - pass));
}
