/**
 * Products in whole numbers: weights with a scale for each column, found once; activations with a scale for each row, found
 * anew on every tick. `i32x4.dot_i16x8_s` multiplies 8 pairs and adds them by twos: plain SIMD, the same bits on every machine,
 * twice the multiplications of float32. The sum of a whole row stays below 2³¹:
 *
 * - weights of 8 bits, widened as they are loaded, by activations of 13 bits, for rows of up to 4,096;
 * - both of 12 bits, for rows of up to 512: for the products inside Winograd's transforms, which would enlarge coarser steps.
 *
 * The tiles are those of `product-code.ts`.
 *
 * Relaxed SIMD's dot product of bytes would be faster still; V8 11.3 (Node 20) computes it wrongly in its baseline compiler.
 */
import type { Buffer } from "../expression";
import { acrossLanes, ROUNDER, ROUNDER_BITS } from "../math";
import type { Address, Program } from "../program";
import { type Code, Func, f32x4, get, i16x8, i32, i32x4, type Local, set, v128 } from "../wasm";
import { Arguments } from "./addressing";
import type { Epilogue, Extent } from "./epilogue";
import type { Inner } from "./factors";
import { emitProduct } from "./product-code";
import { wholeTile } from "./tile";

const PAIR = 2; // neighbours along k that one lane of the dot product takes
const WIDTH = 8; // activations quantised at once

interface Bits {
  /** Of a weight, bytes. */
  readonly bytes: 1 | 2;
  readonly largestWeight: number;
  readonly largestActivation: number;
  /** Of a row. */
  readonly deepest: number;
}
const BYTE: Bits = { bytes: 1, largestWeight: 127, largestActivation: 4095, deepest: 4096 };
const WORD: Bits = { bytes: 2, largestWeight: 2047, largestActivation: 2047, deepest: 512 };

const SMALLEST = 1e-30; // stands for the largest of a row of zeros

/** Whether rows of this length can be quantised. */
export const isQuantisable = (depth: number, bits = BYTE): boolean => depth % WIDTH === 0 && depth <= bits.deepest;

/** As `isQuantisable`, for products inside Winograd's transforms. */
export const isWordQuantisable = (depth: number): boolean => isQuantisable(depth, WORD);

interface QuantisedRows {
  readonly values: Buffer; // int16 [rows, depth], two to an int32
  readonly scales: Buffer; // float32 [rows]
}

/** Adds a step that quantises rows of `depth` floats to whole numbers of up to `most`. */
function addQuantise(program: Program, rows: readonly Address[], depth: number, most: number): QuantisedRows {
  const values: Buffer = { kind: "int32", size: (rows.length * depth) / 2, place: "work" };
  const scales: Buffer = { kind: "float32", size: rows.length, place: "work" };
  const args = new Arguments();
  const source = args.addressing(rows);
  const toValues = args.add({ buffer: values, offset: 0 });
  const toScales = args.add({ buffer: scales, offset: 0 });
  const func = new Func(args.parameters);
  const [row, from, to, start] = [func.local("i32"), func.local("i32"), func.local("i32"), func.local("i32")];
  const largest = [func.local("v128"), func.local("v128")] as const;
  const factor = func.local("v128");
  const units = depth / WIDTH;
  const together = [8, 7, 6, 5, 4, 3, 2].find((count) => units % count === 0) ?? 1; // in one turn of a loop
  func.range(row, get(func.param(0)), get(func.param(1)), 1, () => {
    func.add(set(start, source.at(func, get(row))), set(from, get(start)));
    for (const half of largest) func.add(set(half, v128.f32(SMALLEST)));
    func.times(units / together, () => {
      for (let i = 0; i < 2 * together; i++) {
        const half = largest[i % 2] as Local;
        func.add(set(half, f32x4.pmax(get(half), f32x4.abs(v128.load(get(from), 16 * i)))));
      }
      func.advance(from, i32.const(4 * WIDTH * together));
    });
    func.add(set(largest[0], f32x4.pmax(get(largest[0]), get(largest[1]))));
    func.add(set(largest[0], acrossLanes(func, largest[0], f32x4.pmax)));
    func.add(set(factor, f32x4.div(v128.f32(most), get(largest[0]))));
    const scale = i32.add(get(func.param(toScales)), i32.mul(get(row), i32.const(4)));
    func.add(v128.store32Lane(scale, f32x4.div(get(largest[0]), v128.f32(most)), 0));
    func.add(
      set(to, i32.add(get(func.param(toValues)), i32.mul(get(row), i32.const(2 * depth)))),
      set(from, get(start)),
    );
    const quantised = (part: number): Code => {
      const scaled = f32x4.mul(v128.load(get(from), 16 * part), get(factor));
      return i32x4.sub(f32x4.add(scaled, v128.f32(ROUNDER)), v128.i32(ROUNDER_BITS));
    };
    func.times(units / together, () => {
      for (let i = 0; i < together; i++) {
        func.add(v128.store(get(to), i16x8.narrowI32(quantised(2 * i), quantised(2 * i + 1)), 2 * WIDTH * i));
      }
      func.advance(from, i32.const(4 * WIDTH * together));
      func.advance(to, i32.const(2 * WIDTH * together));
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
  readonly values: Buffer; // [batch, panel, k / 2, column of the panel, 2]
  readonly scales: Buffer; // float32 [batch, columns, up to a whole panel]
  readonly bits: Bits;
}

/** @param weight the weight of a k and a column, both in the order of the product */
export function quantiseWeights(
  weight: (k: number, column: number) => number,
  { depth, columns, wide }: { readonly depth: number; readonly columns: number; readonly wide: number },
): QuantisedWeights {
  const padded = Math.ceil(columns / wide) * wide;
  return quantise((k, column) => (column < columns ? weight(k, column) : 0), { depth, padded, wide, batch: 1 }, BYTE);
}

/** @param packed float32 [batch, panel, k, column of the panel] */
export function quantisePacked(packed: Buffer, size: PackedSize): QuantisedWeights {
  const source = packed.data as Float32Array;
  const { depth, wide } = size;
  const panel = depth * wide;
  const at = (k: number, column: number) =>
    source[Math.floor(column / wide) * panel + k * wide + (column % wide)] as number;
  return quantise(at, size, WORD);
}

interface PackedSize {
  readonly depth: number;
  /** Columns, up to a whole panel; those of all batches follow each other. */
  readonly padded: number;
  readonly wide: number;
  readonly batch: number;
}

function quantise(
  weight: (k: number, column: number) => number,
  { depth, padded, wide, batch }: PackedSize,
  bits: Bits,
): QuantisedWeights {
  const columns = batch * padded;
  const values = bits.bytes === 1 ? new Int8Array(columns * depth) : new Int16Array(columns * depth);
  const scales = new Float32Array(columns);
  for (let column = 0; column < columns; column++) {
    let largest = SMALLEST;
    for (let k = 0; k < depth; k++) largest = Math.max(largest, Math.abs(weight(k, column)));
    scales[column] = largest / bits.largestWeight;
    const first = Math.floor(column / wide) * depth * wide + (column % wide) * PAIR;
    for (let k = 0; k < depth; k++) {
      const at = first + Math.floor(k / PAIR) * PAIR * wide + (k % PAIR);
      values[at] = Math.round((weight(k, column) / largest) * bits.largestWeight);
    }
  }
  const data = new Uint8Array(values.buffer);
  return {
    values: { kind: "uint8", size: data.length, place: "constant", data },
    scales: { kind: "float32", size: scales.length, place: "constant", data: scales },
    bits,
  };
}

export interface WholeProduct {
  readonly extent: Extent;
  readonly depth: number;
  /** Addresses of the left rows, those of all batches, `depth` floats each. */
  readonly rows: readonly Address[];
  readonly weights: QuantisedWeights;
  readonly epilogue: Epilogue;
  readonly label: string;
  readonly flops: number;
}

/** Adds the steps of a product in whole numbers: its rows are quantised, then multiplied. */
export function addWholeProduct(program: Program, product: WholeProduct): void {
  const { extent, depth, rows, weights, epilogue, label, flops } = product;
  const { bits, values: right, scales: columnScales } = weights;
  const tile = wholeTile(extent);
  const wide = 4 * tile.vectors;
  const { values, scales } = addQuantise(program, rows, depth, bits.largestActivation);
  const panelStride = bits.bytes * wide * depth;
  const matrix = panelStride * Math.ceil(extent.columns / wide);
  const inner: Inner = {
    runs: [
      { left: 0, right: { buffer: right, offset: 0 }, length: depth / PAIR, rightStride: bits.bytes * PAIR * wide },
    ],
    leftStride: 2 * PAIR,
    panelStride,
    rightBatch: Array.from({ length: extent.batch }, (_, i) => i * matrix),
    rightBuffers: [right],
  };
  const step = emitProduct(program, {
    extent,
    tile,
    inner,
    rows: Array.from({ length: extent.rows }, (_, row) => ({ buffer: values, offset: 2 * row * depth })),
    leftBatch: Array.from({ length: extent.batch }, (_, i) => 2 * i * extent.rows * depth),
    epilogue,
    whole: { bytes: bits.bytes, rowScales: scales, columnScales },
  });
  program.steps.push({
    phase: "product",
    label,
    ...step,
    reads: [values, scales, right, columnScales, ...epilogue.loads.map(({ buffer }) => buffer)],
    writes: [epilogue.target.buffer],
    flops,
    executed: 2 * extent.batch * extent.rows * extent.columns * depth,
  });
}
