/**
 * Where every buffer lies on the GPU: constants in one buffer, which is only read; all else in another, in which work areas
 * share addresses when no dispatch needs both (`arena.ts`). One word an element, whatever its kind. Planned once.
 */
import { livesOf, placeWork, sharePadded } from "../arena";
import type { Buffer } from "../expression";
import type { Dispatch, Place } from "./dispatch";

const ALIGNMENT = 64; // words: 256 bytes

export interface GpuMemory {
  /** Words. */
  readonly constants: number;
  readonly memory: number;
  offsetOf(place: Place): number;
  /** All constants in their places. */
  fill(into: Float32Array): void;
}

export function planGpuMemory(dispatches: readonly Dispatch[], kept: readonly Buffer[]): GpuMemory {
  const offsets = new Map<Buffer, number>();
  const end = { constants: 0, memory: 0 };
  const place = (area: keyof typeof end, size: number) => {
    const offset = end[area];
    end[area] += align(size);
    return offset;
  };
  const lives = livesOf(dispatches);
  for (const { buffer } of lives) if (buffer.data) offsets.set(buffer, place("constants", buffer.size));
  for (const buffer of kept) offsets.set(buffer, place("memory", buffer.size));
  for (const group of sharePadded(lives)) {
    const offset = place("memory", group[0]?.buffer.size ?? 0);
    for (const { buffer } of group) offsets.set(buffer, offset);
  }
  const work = placeWork(lives, ({ size }) => align(size));
  const start = place("memory", work.size);
  for (const [buffer, offset] of work.offsets) offsets.set(buffer, start + offset);
  return {
    ...end,
    offsetOf: ({ buffer, offset }) => (offsets.get(buffer) as number) + offset,
    fill(into) {
      for (const [{ data }, offset] of offsets) if (data) into.set(data, offset);
    },
  };
}

const align = (words: number) => Math.ceil(words / ALIGNMENT) * ALIGNMENT;
