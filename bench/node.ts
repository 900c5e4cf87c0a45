/** The world in Node on onnxruntime-node. */
import { loadNodeRuntime, openWorldNode } from "../src/model/node-runtime";
import { measureGflops } from "./matmul";
import { type Result, round, spread } from "./result";

const THREADS = 2;
const WARM_UP = 25; // ticks; the KV window fills meanwhile

/** @param frames ticks to measure */
export async function benchNode(name: string, frames: number): Promise<Result> {
  const first = await open(name);
  await first.world.close();
  const { world, firstFrameMs, step } = await open(name);
  const tickMs: number[] = [];
  for (let tick = 0; tick < WARM_UP + frames; tick++) {
    const begin = performance.now();
    await step(tick);
    if (tick >= WARM_UP) tickMs.push(performance.now() - begin);
  }
  await world.close();
  return {
    world: name,
    runtime: "node",
    backend: world.backend.name,
    threads: world.backend.threads,
    tickMs: spread(tickMs),
    firstFrameMs: { cold: round(first.firstFrameMs), warm: round(firstFrameMs) },
    referenceGflops: round(await measureGflops(await loadNodeRuntime(THREADS))),
  };
}

async function open(name: string) {
  const begin = performance.now();
  const { world } = await openWorldNode(name, { threads: THREADS });
  /** A slow weave through the range of every action. */
  const step = (tick: number) => {
    const share = 0.5 + 0.5 * Math.sin(tick / 10);
    return world.step(Float32Array.from(world.manifest.actions, ({ min, max }) => min + share * (max - min)));
  };
  await world.reset({ seed: 1 });
  await step(0);
  return { world, firstFrameMs: performance.now() - begin, step };
}
