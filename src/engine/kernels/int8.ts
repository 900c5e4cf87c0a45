/**
 * Products in whole numbers: weights as signed bytes with a scale for each column, found once; activations as 13 bits with a
 * scale for each row, found anew on every tick. Weights are widened as they are loaded, and `i32x4.dot_i16x8_s` multiplies 8
 * pairs and adds them by twos: plain SIMD, the same bits on every machine, twice the multiplications of float32, a quarter of
 * its weights to read. 13 bits are the most that a sum of 4,096 products holds. The tiles are those of `product.ts`.
 *
 * Relaxed SIMD's dot product of bytes would be faster still; V8 11.3 (Node 20) computes it wrongly in its baseline compiler.
 */
import type { Buffer } from "../expression";
import type { Address, Program } from "../program";
import { type Code, Func, f32x4, get, i16x8, i32, i32x4, type Local, set, v128 } from "../wasm";
import { Arguments } from "./addressing";
import { acrossLanes } from "./mean";

export const PAIR = 2; // neighbours along k that one lane of the dot product takes
const LARGEST = 4095; // of an activation
const LARGEST_WEIGHT = 127;
const WIDTH = 8; // activations quantised at once
const DEEPEST = 4096; // 4,096 · 4,095 · 127 is still below 2³¹
const SMALLEST = 1e-30; // stands for the largest of a row of zeros

/** Whether rows of this length can be quantised. */
export const isQuantisable = (depth: number): boolean => depth % WIDTH === 0 && depth <= DEEPEST;

export interface QuantisedRows {
  readonly values: Buffer; // int16 [rows, depth], two to an int32
  readonly scales: Buffer; // float32 [rows]
}

/** Adds a step that quantises rows of `depth` floats. */
export function addQuantise(program: Program, rows: readonly Address[], depth: number): QuantisedRows {
  const values: Buffer = { kind: "int32", size: (rows.length * depth) / 2, place: "work" };
  const scales: Buffer = { kind: "float32", size: rows.length, place: "work" };
  const args = new Arguments();
  const source = args.addressing(rows);
  const toValues = args.add({ buffer: values, offset: 0 });
  const toScales = args.add({ buffer: scales, offset: 0 });
  const func = new Func(args.parameters);
  const [row, from, to, at] = [func.local("i32"), func.local("i32"), func.local("i32"), func.local("i32")];
  const [largest, factor] = [func.local("v128"), func.local("v128")];
  func.range(row, get(func.param(0)), get(func.param(1)), 1, () => {
    func.add(set(from, source.at(func, get(row))), set(largest, v128.f32(SMALLEST)));
    func.range(at, i32.const(0), i32.const(4 * depth), 16, () => {
      func.add(set(largest, f32x4.max(get(largest), f32x4.abs(v128.load(i32.add(get(from), get(at)))))));
    });
    func.add(set(largest, acrossLanes(func, largest, f32x4.max)));
    func.add(set(factor, f32x4.div(v128.f32(LARGEST), get(largest))));
    const scale = i32.add(get(func.param(toScales)), i32.mul(get(row), i32.const(4)));
    func.add(v128.store32Lane(scale, f32x4.div(get(largest), v128.f32(LARGEST)), 0));
    func.add(set(to, i32.add(get(func.param(toValues)), i32.mul(get(row), i32.const(2 * depth)))));
    const quantised = (part: number): Code =>
      i32x4.truncSat(f32x4.nearest(f32x4.mul(v128.load(get(from), 16 * part), get(factor))));
    func.times(depth / WIDTH, () => {
      func.add(v128.store(get(to), i16x8.narrowI32(quantised(0), quantised(1))));
      func.advance(from, i32.const(4 * WIDTH));
      func.advance(to, i32.const(2 * WIDTH));
    });
  });
  program.steps.push({
    phase: "quantise",
    label: "quantise",
    func,
    args: args.list,
    reads: rows.map((address) => address.buffer),
    writes: [values, scales],
    work: rows.length,
    flops: 0,
    executed: 0,
  });
  return { values, scales };
}

export interface QuantisedWeights {
  readonly values: Buffer; // int8 [panel, k / 2, column of the panel, 2]
  readonly scales: Buffer; // float32 [columns, up to a whole panel]
}

/** @param weight the weight of a k and a column, both in the order of the product */
export function quantiseWeights(
  weight: (k: number, column: number) => number,
  { depth, columns, wide }: { readonly depth: number; readonly columns: number; readonly wide: number },
): QuantisedWeights {
  const padded = Math.ceil(columns / wide) * wide;
  const values = new Int8Array(padded * depth);
  const scales = new Float32Array(padded);
  for (let column = 0; column < columns; column++) {
    let largest = SMALLEST;
    for (let k = 0; k < depth; k++) largest = Math.max(largest, Math.abs(weight(k, column)));
    scales[column] = largest / LARGEST_WEIGHT;
    const panel = Math.floor(column / wide) * depth * wide;
    for (let k = 0; k < depth; k++) {
      const at = panel + Math.floor(k / PAIR) * PAIR * wide + (column % wide) * PAIR + (k % PAIR);
      values[at] = Math.round((weight(k, column) / largest) * LARGEST_WEIGHT);
    }
  }
  const data = new Uint8Array(values.buffer);
  return {
    values: { kind: "uint8", size: data.length, place: "constant", data },
    scales: { kind: "float32", size: scales.length, place: "constant", data: scales },
  };
}

/** Turns a tile's whole sums into floats. */
export const scaled = (sum: Local, row: Code, columns: Code): Code =>
  f32x4.mul(f32x4.convertI32(get(sum)), f32x4.mul(row, columns));
