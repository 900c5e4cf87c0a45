/** The world in Node, on onnxruntime-node or on our own engine. */

import { detectInstructionSet } from "../src/engine/detect";
import { loadNodeRuntime, openWorldNode } from "../src/model/node-runtime";
import { measureGflops } from "./matmul";
import { type EngineKind, type Profile, profileOwn } from "./own";
import { measurePeak } from "./peak";
import { type Result, round, spread } from "./result";

const THREADS = { own: 1, ort: 2 };
const WARM_UP = 25; // ticks; the KV window fills meanwhile

/** @param frames ticks to measure */
export async function benchNode(name: string, kind: EngineKind, frames: number): Promise<Result> {
  const { engine, precision } = kind;
  const first = await open(name, kind);
  await first.world.close();
  const { world, firstFrameMs, step } = await open(name, kind);
  const tickMs: number[] = [];
  for (let tick = 0; tick < WARM_UP + frames; tick++) {
    const begin = performance.now();
    await step(tick);
    if (tick >= WARM_UP) tickMs.push(performance.now() - begin);
  }
  await world.close();
  const set = detectInstructionSet();
  const peak = engine === "own" ? await measurePeak(set) : await measureGflops(await loadNodeRuntime(THREADS.ort));
  const { gflop, phases } = await profileOwn(name, set, precision);
  const times = spread(tickMs);
  return {
    world: name,
    runtime: "node",
    engine,
    backend: world.backend.name,
    threads: world.backend.threads,
    precision,
    ...(engine === "own" ? { simd: set, phases } : {}),
    tickMs: times,
    firstFrameMs: { cold: round(first.firstFrameMs), warm: round(firstFrameMs) },
    referenceGflops: round(peak),
    shareOfPeak: shareOfPeak(gflop, times.p50, peak),
  };
}

/** Of one thread's peak, or of all when the reference ran on all. */
export function shareOfPeak(gflop: Profile["gflop"], ms: number, peak: number): Result["shareOfPeak"] {
  const share = (work: number) => round((1000 * work) / ms / peak);
  return { asked: share(gflop.asked), executed: share(gflop.executed) };
}

async function open(name: string, kind: EngineKind) {
  const begin = performance.now();
  const { world } = await openWorldNode(name, { ...kind, threads: THREADS[kind.engine] });
  /** A slow weave through the range of every action. */
  const step = (tick: number) => {
    const share = 0.5 + 0.5 * Math.sin(tick / 10);
    return world.step(Float32Array.from(world.manifest.actions, ({ min, max }) => min + share * (max - min)));
  };
  await world.reset({ seed: 1 });
  await step(0);
  return { world, firstFrameMs: performance.now() - begin, step };
}
