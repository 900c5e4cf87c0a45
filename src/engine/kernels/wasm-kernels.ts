/** The kernels that are written as WebAssembly: each adds steps to a program. */
import type { KernelSet } from "../kernel-set";
import type { Program } from "../program";
import { addElementwise } from "./elementwise";
import { addGridSample } from "./grid-sample";
import { addLookup } from "./lookup";
import { meanOf } from "./mean";
import { productOf } from "./product";
import { addSoftmax } from "./softmax";
import { winogradOf, winogradTile } from "./winograd";

export const wasmKernels = (program: Program): KernelSet => ({
  elementwise: (...args) => addElementwise(program, ...args),
  product: (factors) => productOf(program, factors),
  winograd(convolution) {
    const tile = winogradTile(convolution);
    return tile && winogradOf(program, convolution, tile);
  },
  mean: (...args) => meanOf(program, ...args),
  softmax: (...args) => addSoftmax(program, ...args),
  lookup: (...args) => addLookup(program, ...args),
  gridSample: (sampling) => addGridSample(program, sampling),
});
