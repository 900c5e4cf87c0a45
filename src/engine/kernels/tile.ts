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
export const tileFor = (extent: Extent, set: InstructionSet): Tile => bestTile(extent, set === "simd" ? 1 : 0, 1);

/** The same in whole numbers, whose products take a register. Of equals the tallest: weights are widened as they are loaded. */
export const wholeTile = (extent: Extent): Tile => bestTile(extent, 1, -1);

function bestTile({ rows, columns }: Extent, spare: number, order: 1 | -1): Tile {
  const step = (r: number, v: number) => (r ? Math.max(LATENCY, (r * v) / PER_CYCLE) : 0);
  let best: Tile & { cycles: number } = { rows: 1, vectors: 1, cycles: Number.POSITIVE_INFINITY };
  const most = Math.min(rows, REGISTERS);
  for (let i = 1; i <= most; i++) {
    const r = order === 1 ? i : most + 1 - i;
    for (let v = 1; r * v + r + v + spare <= REGISTERS; v++) {
      const panel = Math.floor(rows / r) * step(r, v) + step(rows % r, v);
      const cycles = Math.ceil(columns / (4 * v)) * panel;
      if (cycles < best.cycles) best = { rows: r, vectors: v, cycles };
    }
  }
  return best;
}
