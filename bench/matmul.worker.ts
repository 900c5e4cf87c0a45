/** Measures the yardsticks in a worker of the browser, where the model runs too. */
import { expose } from "comlink";
import { detectInstructionSet } from "../src/engine/detect";
import { createWorld } from "../src/model/create-world";
import type { Precision } from "../src/model/engine-choice";
import { httpSource } from "../src/model/http-source";
import { createNetworkModel } from "../src/model/network-model";
import { ownEngine } from "../src/model/own-engine";
import { openPackage } from "../src/model/package";
import { webHelper } from "../src/model/web-helper";
import { loadWebRuntime } from "../src/model/web-runtime";
import { type Chain, chainOf } from "./frame-chain";
import { measureGflops } from "./matmul";
import { measurePeak } from "./peak";
import { measureSideBySide } from "./side-by-side";

export interface ChainOptions {
  /** Of the world. */
  readonly url: string;
  readonly ticks: number;
  readonly precision: Precision;
  readonly threads: number;
}

const api = {
  async measure(engine: "own" | "ort", threads: number): Promise<{ gflops: number; simd?: string }> {
    if (engine === "ort") return { gflops: await measureGflops(await loadWebRuntime({ backend: "wasm", threads })) };
    const simd = detectInstructionSet();
    return { gflops: await measurePeak(simd), simd };
  },
  sideBySide: measureSideBySide,
  async chain({ url, ticks, precision, threads }: ChainOptions): Promise<Chain> {
    const engine = ownEngine({ precision, threads, startHelper: webHelper });
    const world = createWorld(await createNetworkModel(await openPackage(httpSource(url)), engine));
    const chain = await chainOf(world, ticks);
    await world.close();
    return chain;
  },
};
export type MatmulApi = typeof api;

expose(api);
