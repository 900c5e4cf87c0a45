/**
 * What a machine has to offer so that a graph can be lowered to it. `kernels/wasm-kernels.ts` writes WebAssembly,
 * `webgpu/wgsl-kernels.ts` WGSL; what an operator means and where its values lie (`lower.ts`) is the same for both.
 */
import type { Expression, Result, View } from "./expression";
import type { Sampling } from "./kernels/grid-sample";
import type { LookupSize } from "./kernels/lookup";
import type { Factors } from "./kernels/product";
import type { Convolution } from "./kernels/winograd";

export interface KernelSet {
  /** Adds a step that stores the expression. False when the operands' axes have no common loops. */
  elementwise(expression: Expression, target: View, label: string): boolean;
  /** Null when the factors' axes don't go together; a dense copy of them does. */
  product(factors: Factors): Result | null;
  /** A 3 × 3 convolution with fewer multiplications, [1, height · width, filters]; null where it is a product of patches. */
  winograd(convolution: Convolution): Result | null;
  /** The mean of `input` (loads only) over some of its axes, which have size 1 in the result. */
  mean(input: Expression, shape: readonly number[], axes: readonly number[]): Result;
  /** `input` and `target` are dense float32 [rows, length]. */
  softmax(input: View, target: View, rows: number, length: number): void;
  /** table float32 [rows, width], index float32 [count], target float32 [count, width]; all dense. */
  lookup(table: View, index: View, target: View, size: LookupSize): void;
  gridSample(sampling: Sampling): void;
}
