/**
 * The peak that a tick of our own engine is held against: its bare matrix product, 48 × 256 by 256 × 192, everything in the
 * second-level cache, nothing around it.
 */
import { planArena } from "../src/engine/arena";
import type { Buffer } from "../src/engine/expression";
import { pending } from "../src/engine/expression";
import { productOf } from "../src/engine/kernels/product";
import { dense } from "../src/engine/layout";
import { createMachine } from "../src/engine/machine";
import type { InstructionSet } from "../src/engine/math";
import { Program } from "../src/engine/program";

const [ROWS, DEPTH, COLUMNS] = [48, 256, 192];
const WARM_UP = 3000; // products; V8 has optimised by then
const RUNS = 1000;

/** GFLOP/s of the median run; a multiplication and an addition count as two. */
export async function measurePeak(set: InstructionSet): Promise<number> {
  const program = new Program(set);
  const kept = (size: number): Buffer => ({ kind: "float32", size, place: "kept" });
  const data = new Float32Array(DEPTH * COLUMNS).fill(0.25);
  const weights: Buffer = { kind: "float32", size: data.length, place: "constant", data };
  const [left, out] = [kept(ROWS * DEPTH), kept(ROWS * COLUMNS)];
  const product = productOf(program, {
    left: [{ buffer: left, layout: dense([1, ROWS, DEPTH]), offset: 0 }],
    right: [{ buffer: weights, layout: dense([1, DEPTH, COLUMNS]), offset: 0 }],
    label: "peak",
  });
  product?.finish(pending(product), { buffer: out, layout: dense([1, ROWS, COLUMNS]), offset: 0 });
  const { steps } = program;
  const arena = planArena(steps, [left, out]);
  const none = new Map<string, Buffer>();
  const machine = await createMachine({
    graph: { inputs: [], outputs: [] },
    steps,
    arena,
    inputs: none,
    outputs: none,
  });
  const times: number[] = [];
  for (let run = 0; run < WARM_UP + RUNS; run++) {
    const begin = performance.now();
    machine.run();
    if (run >= WARM_UP) times.push(performance.now() - begin);
    if (run === WARM_UP / 2) await new Promise((resolve) => setTimeout(resolve, 200)); // V8 optimises beside us
  }
  const middle = times.sort((a, b) => a - b).slice(RUNS / 4, (3 * RUNS) / 4); // a browser's clock ticks in steps
  const mean = middle.reduce((sum, ms) => sum + ms, 0) / middle.length;
  return (2 * ROWS * DEPTH * COLUMNS) / mean / 1e6;
}
