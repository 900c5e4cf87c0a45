/** How much of a product stays in registers: see `product.ts` for why. */
import type { InstructionSet } from "../math";
import type { Extent } from "./epilogue";

export interface Tile {
  readonly rows: number;
  readonly vectors: number;
}

const REGISTERS = 15;
const LATENCY = 4; // cycles of a multiply-add
const PER_CYCLE = 2;

/**
 * The tile that takes least time on these sizes. Of equals the widest: it asks for more of the right matrix at a time, which
 * comes from beyond the first-level cache when it is read for the first rows.
 */
export function tileFor({ rows, columns }: Extent, set: InstructionSet): Tile {
  const step = (r: number, v: number) => (r ? Math.max(LATENCY, (r * v) / PER_CYCLE) : 0);
  const spare = set === "simd" ? 1 : 0;
  let best: Tile & { cycles: number } = { rows: 1, vectors: 1, cycles: Number.POSITIVE_INFINITY };
  for (let r = 1; r <= Math.min(rows, REGISTERS); r++) {
    for (let v = 1; r * v + r + v + spare <= REGISTERS; v++) {
      const panel = Math.floor(rows / r) * step(r, v) + step(rows % r, v);
      const cycles = Math.ceil(columns / (4 * v)) * panel;
      if (cycles < best.cycles) best = { rows: r, vectors: v, cycles };
    }
  }
  return best;
}
