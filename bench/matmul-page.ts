/** The page of the yardstick: `window.measureGflops(engine, threads)`. */
import { type Remote, wrap } from "comlink";
import type { ChainOptions, MatmulApi } from "./matmul.worker";

declare global {
  interface Window {
    /** In a worker of its own, GFLOP/s. */
    measureGflops(engine: "own" | "ort", threads: number): ReturnType<MatmulApi["measure"]>;
    /** Ticks of the world at this address, ms. */
    measureSideBySide(url: string): ReturnType<MatmulApi["sideBySide"]>;
    /** Of our own engine: see `same-frames.ts`. */
    chainFrames(options: ChainOptions): ReturnType<MatmulApi["chain"]>;
  }
}

async function inWorker<T>(run: (api: Remote<MatmulApi>) => Promise<T>): Promise<T> {
  const worker = new Worker(new URL("./matmul.worker.ts", import.meta.url), { type: "module" });
  try {
    return await run(wrap<MatmulApi>(worker));
  } finally {
    worker.terminate();
  }
}

window.measureGflops = (engine, threads) => inWorker((api) => api.measure(engine, threads));
window.measureSideBySide = (url) => inWorker((api) => api.sideBySide(url));
window.chainFrames = (options) => inWorker((api) => api.chain(options));
