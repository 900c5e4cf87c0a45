/**
 * The yardstick beside every tick time: how fast this runtime multiplies 64×256 by 256×1024 (float32), the size of a
 * transformer's matrices here. Machines differ; the ratio of tick time to this doesn't much.
 */
import type { Runtime } from "../src/model/graph-session";

/** An ONNX graph of one MatMul: a [64, 256], b [256, 1024] → c [64, 1024]. */
const GRAPH =
  "CAgSADpZChEKAWEKAWISAWMiBk1hdE11bBIBZ1oUCgFhEg8KDQgBEgkKAghACgMIgAJaFQoBYhIQCg4IARIKCgMIgAIKAwiACGIUCgFjEg8KDQgBEgkKAghACgMIgAhCBAoAEA0=";
const [M, K, N] = [64, 256, 1024];
const WARM_UP = 20;
const RUNS = 200;

/** Median speed over 200 runs, GFLOP/s; a multiplication and an addition count as two. */
export async function measureGflops({ ort, options }: Pick<Runtime, "ort" | "options">): Promise<number> {
  const bytes = Uint8Array.from(atob(GRAPH), (character) => character.charCodeAt(0));
  const session = await ort.InferenceSession.create(bytes, options);
  const a = new ort.Tensor("float32", new Float32Array(M * K).fill(0.5), [M, K]);
  const b = new ort.Tensor("float32", new Float32Array(K * N).fill(0.25), [K, N]);
  const times: number[] = [];
  for (let run = 0; run < WARM_UP + RUNS; run++) {
    const begin = performance.now();
    await session.run({ a, b });
    if (run >= WARM_UP) times.push(performance.now() - begin);
  }
  await session.release();
  const median = times.sort((x, y) => x - y)[RUNS / 2] as number;
  return (2 * M * K * N) / median / 1e6;
}
