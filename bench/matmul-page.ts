/** The page of the yardstick: `window.measureGflops(engine, threads)`. */
import { wrap } from "comlink";
import type { MatmulApi } from "./matmul.worker";

declare global {
  interface Window {
    /** In a worker of its own, GFLOP/s. */
    measureGflops(engine: "own" | "ort", threads: number): ReturnType<MatmulApi["measure"]>;
  }
}

window.measureGflops = async (engine, threads) => {
  const worker = new Worker(new URL("./matmul.worker.ts", import.meta.url), { type: "module" });
  try {
    return await wrap<MatmulApi>(worker).measure(engine, threads);
  } finally {
    worker.terminate();
  }
};
