/** The kernels that are written as WGSL: each adds dispatches to a program. */
import type { KernelSet } from "../kernel-set";
import type { GpuProgram } from "./dispatch";
import { addElementwise } from "./elementwise";
import { addGridSample, addLookup } from "./lookup";
import { meanOf } from "./mean";
import { productOf } from "./product";
import { addSoftmax } from "./softmax";

export const wgslKernels = (program: GpuProgram): KernelSet => ({
  elementwise(...args) {
    addElementwise(program, ...args);
    return true;
  },
  product: (factors) => productOf(program, factors),
  winograd: () => null, // see product.ts
  mean: (...args) => meanOf(program, ...args),
  softmax: (...args) => addSoftmax(program, ...args),
  lookup: (...args) => addLookup(program, ...args),
  gridSample: (sampling) => addGridSample(program, sampling),
});
