/** Measures the yardsticks in a worker of the browser, where the model runs too. */
import { expose } from "comlink";
import { detectInstructionSet } from "../src/engine/detect";
import { loadWebRuntime } from "../src/model/web-runtime";
import { measureGflops } from "./matmul";
import { measurePeak } from "./peak";
import { measureSideBySide } from "./side-by-side";

const api = {
  async measure(engine: "own" | "ort", threads: number): Promise<{ gflops: number; simd?: string }> {
    if (engine === "ort") return { gflops: await measureGflops(await loadWebRuntime({ backend: "wasm", threads })) };
    const simd = detectInstructionSet();
    return { gflops: await measurePeak(simd), simd };
  },
  sideBySide: measureSideBySide,
};
export type MatmulApi = typeof api;

expose(api);
