/** Measures the yardstick in a worker of the browser, where the model runs too. */
import { expose } from "comlink";
import { loadWebRuntime } from "../src/model/web-runtime";
import { measureGflops } from "./matmul";

const api = {
  measure: async (threads: number) => measureGflops(await loadWebRuntime({ backend: "wasm", threads })),
};
export type MatmulApi = typeof api;

expose(api);
