/** The page of the yardstick: `window.measureGflops(threads)`. */
import { wrap } from "comlink";
import type { MatmulApi } from "./matmul.worker";

declare global {
  interface Window {
    /** In a worker of its own, GFLOP/s. */
    measureGflops(threads: number): Promise<number>;
  }
}

window.measureGflops = async (threads) => {
  const worker = new Worker(new URL("./matmul.worker.ts", import.meta.url), { type: "module" });
  try {
    return await wrap<MatmulApi>(worker).measure(threads);
  } finally {
    worker.terminate();
  }
};
