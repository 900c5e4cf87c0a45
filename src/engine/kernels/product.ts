/**
 * Matrix products, [batch, rows, k] × [batch, k, columns], and through their addressing also convolutions and attention.
 *
 * Tiling: R rows × V vectors of four columns stay in registers over all of k. V8 places all loads of a loop's body before
 * its arithmetic, so that R·V sums, R values of the left matrix and V vectors of the right one are alive at once (and a
 * product, where it isn't fused with its sum). x86-64 has 15 registers to give: 4 × 2, 2 × 4 and, fused, 3 × 3 fill them.
 * One step more, a larger tile or k unrolled by two, and sums are spilled to the stack: half the speed, measured. 8 or 9
 * sums are just what two multiply-adds a cycle with a latency of four need.
 * A constant right matrix is packed in panels of 4·V columns that are read from front to back and stay in the first-level
 * cache while the rows pass; another one is read where it lies. Rows are found by stride or table, k by runs of even
 * stride; so a patch of pixels, a pixel shuffle or a ring of slots needs no copy.
 */
import type { Buffer, Expression, Result, View } from "../expression";
import { offsetsOf, sizeOf } from "../layout";
import { multiplyAdd } from "../math";
import type { Address, Program, Table } from "../program";
import { Func, get, i32, i32x4, type Local, set, v128 } from "../wasm";
import { Arguments } from "./addressing";
import { type Epilogue, EpilogueCode, type Extent, planEpilogue } from "./epilogue";
import { type Inner, innerInPlace, innerPacked, type KLoops, kLoops, packWeights, rightsOf } from "./factors";
import { addQuantise, isQuantisable, PAIR, type QuantisedRows, quantiseWeights, scaled } from "./int8";
import { type Tile, tileFor } from "./tile";

export interface Factors {
  /** float32 [batch, rows, k]; several: rows below each other, in different buffers perhaps. */
  readonly left: readonly View[];
  /** float32 [batch, k, columns]; several: pieces of k. */
  readonly right: readonly View[];
  /** The right factor, packed already: [batch, panel, k, columns of a panel], in the tile of `tileFor`. */
  readonly packed?: Buffer;
  /** What the graph asks for, where this product is a part of it. */
  readonly flops?: number;
  readonly label: string;
}

/** Null when the factors' axes don't go together; a dense copy of them does. */
export function productOf(program: Program, factors: Factors): Result | null {
  const { left, right } = factors;
  const [first] = left as [View, ...View[]];
  const extent: Extent = {
    batch: sizeOf(first.layout[0] ?? []),
    rows: left.reduce((rows, { layout }) => rows + sizeOf(layout[1] ?? []), 0),
    columns: sizeOf((right[0] as View).layout[2] ?? []),
  };
  const depth = sizeOf(first.layout[2] ?? []);
  const constant = factors.packed !== undefined || right[0]?.buffer.data instanceof Float32Array;
  const weights = right.length === 1 && constant ? (right[0] as View) : null;
  const tile = tileFor(extent, program.instructionSet);
  const loops = kLoops(left, right, weights !== null);
  const batches = left.map(({ layout }) => offsetsOf(layout[0] ?? []).map((offset) => 4 * offset));
  if (!loops || batches.some((offsets) => offsets.some((offset, i) => offset !== batches[0]?.[i]))) return null;
  const columns = (right[0] as View).layout[2] ?? [];
  if (!weights && columns.length && !(columns.length === 1 && columns[0]?.stride === 1)) return null;

  return {
    shape: [extent.batch, extent.rows, extent.columns],
    finish(expression: Expression, target: View) {
      const epilogue = planEpilogue(expression, target, extent, weights !== null);
      if (!epilogue) return false;
      const [first] = loops as [KLoops];
      const rowAddresses = left.flatMap(({ buffer, layout, offset }) =>
        offsetsOf(layout[1] ?? []).map((row) => ({ buffer, offset: 4 * (offset + row) })),
      );
      const quantised = weights && !factors.packed && canQuantise(program, first, extent);
      if (quantised) {
        const executed = 2 * extent.rows * extent.columns * depth;
        addInt8(program, {
          weights,
          loops: first,
          extent,
          rows: rowAddresses,
          depth,
          epilogue,
          target,
          label: factors.label,
          executed,
        });
        return true;
      }
      const inner = factors.packed
        ? innerPacked(factors.packed, first, extent, tile, extent.batch)
        : weights
          ? packWeights(weights, first, epilogue.columns, extent, tile)
          : innerInPlace(right, loops, tile, extent);
      const executed = 2 * extent.batch * extent.rows * extent.columns * depth;
      const flops = factors.flops ?? executed;
      const step = emit(program, {
        extent,
        tile,
        inner,
        rows: rowAddresses,
        leftBatch: batches[0] as number[],
        epilogue,
      });
      const reads = [
        ...left.map(({ buffer }) => buffer),
        ...inner.rightBuffers,
        ...epilogue.loads.map((l) => l.buffer),
      ];
      program.steps.push({
        phase: "product",
        label: factors.label,
        ...step,
        reads,
        writes: [target.buffer],
        flops,
        executed,
      });
      return true;
    },
  };
}

/** Products by weights whose left rows lie without gaps and are many; single rows, such as a condition's, stay exact. */
const canQuantise = (program: Program, { outer, inner }: KLoops, extent: Extent): boolean =>
  program.precision === "int8" &&
  extent.batch === 1 &&
  extent.rows >= 4 &&
  outer.length === 0 &&
  inner.strides[0] === 1 &&
  isQuantisable(inner.size);

interface Int8Product {
  readonly weights: View;
  readonly loops: KLoops;
  readonly extent: Extent;
  readonly rows: readonly Address[];
  readonly depth: number;
  readonly epilogue: Epilogue;
  readonly target: View;
  readonly label: string;
  readonly executed: number;
}

/** Adds the steps of a product in whole numbers. */
function addInt8(program: Program, product: Int8Product): void {
  const { weights, loops, extent, rows, depth, epilogue, target, label, executed } = product;
  const tile = tileFor(extent, "simd");
  const wide = 4 * tile.vectors;
  const source = weights.buffer.data as Float32Array;
  const ks = rightsOf(loops.inner);
  const columnOffsets = offsetsOf(weights.layout[2] ?? []);
  const columns = epilogue.columns.map((column) => weights.offset + (columnOffsets[column] as number));
  const at = (k: number, column: number) => source[(ks[k] as number) + (columns[column] as number)] as number;
  const packed = quantiseWeights(at, { depth, columns: columns.length, wide });
  const quantised = addQuantise(program, rows, depth);
  const inner: Inner = {
    runs: [{ left: 0, right: { buffer: packed.values, offset: 0 }, length: depth / PAIR, rightStride: PAIR * wide }],
    leftStride: 2 * PAIR,
    panelStride: wide * depth,
    rightBatch: [0],
    rightBuffers: [packed.values],
  };
  const left = rows.map((_, row) => ({ buffer: quantised.values, offset: 2 * row * depth }));
  const int8 = { ...quantised, columnScales: packed.scales };
  const step = emit(program, { extent, tile, inner, rows: left, leftBatch: [0], epilogue, int8 });
  const { values, scales } = quantised;
  const reads = [values, scales, packed.values, packed.scales, ...epilogue.loads.map(({ buffer }) => buffer)];
  program.steps.push({ phase: "product", label, ...step, reads, writes: [target.buffer], flops: executed, executed });
}

interface Kernel {
  readonly extent: Extent;
  readonly tile: Tile;
  readonly inner: Inner;
  readonly rows: Table;
  readonly leftBatch: readonly number[];
  readonly epilogue: Epilogue;
  /** Where rows are quantised. */
  readonly int8?: QuantisedRows & { readonly columnScales: Buffer };
}

function emit(program: Program, { extent, tile, inner, rows, leftBatch, epilogue, int8 }: Kernel) {
  const { runs, leftStride, panelStride } = inner;
  const args = new Arguments();
  const rowAddress = args.addressing(rows);
  const leftOffset = args.addressing(leftBatch);
  const rightOffset = args.addressing(inner.rightBatch);
  const runLeft = args.addressing(runs.map(({ left }) => left));
  const runRight = args.addressing(runs.map(({ right }) => right));
  const runLength = args.addressing(runs.map(({ length, rightStride }) => length * rightStride));
  const runStride = args.addressing(runs.map(({ rightStride }) => rightStride));
  const even = runs.every(({ rightStride }) => rightStride === runs[0]?.rightStride);
  const after = new EpilogueCode(program, epilogue, args);
  const startOf = (buffer: Buffer) => args.add({ buffer, offset: 0 });
  const bytes = int8 && {
    rows: startOf(int8.scales),
    columns: startOf(int8.columnScales),
  };
  const func = new Func(args.parameters);

  const panels = Math.ceil(extent.columns / (4 * tile.vectors));
  const index = (name: "i32" = "i32") => func.local(name);
  const [work, batch, panel, row, run] = [index(), index(), index(), index(), index()];
  const [right, rightEnd, panelStart, batchStart] = [index(), index(), index(), index()];
  const [group, stride] = [index(), index()];
  const scalar = func.local("v128");
  const vectors = Array.from({ length: tile.vectors }, () => func.local("v128"));
  const sums = Array.from({ length: tile.rows * tile.vectors }, () => func.local("v128"));
  const starts = Array.from({ length: tile.rows }, () => func.local("i32"));
  const lefts = Array.from({ length: tile.rows }, () => func.local("i32"));

  /** `count` rows by the panel's columns, of which the last group may be in part. */
  function tileCode(count: number, columns: number): void {
    const wide = Math.ceil(columns / 4);
    for (let r = 0; r < count; r++) {
      const address = rowAddress.at(func, i32.add(get(row), i32.const(r)));
      func.add(set(starts[r] as Local, i32.add(address, get(batchStart))));
    }
    for (let i = 0; i < count * tile.vectors; i++) func.add(set(sums[i] as Local, v128.f32(0)));
    const onRun = () => {
      for (let r = 0; r < count; r++) {
        func.add(set(lefts[r] as Local, i32.add(get(starts[r] as Local), runLeft.at(func, get(run)))));
      }
      func.add(set(right, i32.add(get(panelStart), runRight.at(func, get(run)))));
      func.add(set(rightEnd, i32.add(get(right), runLength.at(func, get(run)))));
      if (!even) func.add(set(stride, runStride.at(func, get(run))));
      func.repeat(
        () => {
          for (let v = 0; v < wide; v++) {
            const four = bytes ? v128.load8x8(get(right), 8 * v) : v128.load(get(right), 16 * v);
            func.add(set(vectors[v] as Local, four));
          }
          for (let r = 0; r < count; r++) {
            func.add(set(scalar, v128.load32Splat(get(lefts[r] as Local))));
            for (let v = 0; v < wide; v++) {
              const sum = sums[r * tile.vectors + v] as Local;
              const factor = get(vectors[v] as Local);
              func.add(
                set(
                  sum,
                  bytes
                    ? i32x4.add(i32x4.dotI16(get(scalar), factor), get(sum))
                    : multiplyAdd(program.instructionSet, get(scalar), factor, get(sum)),
                ),
              );
            }
          }
          for (let r = 0; r < count; r++) func.advance(lefts[r] as Local, i32.const(leftStride));
          func.advance(right, even ? i32.const(runs[0]?.rightStride ?? 0) : get(stride));
        },
        () => i32.lt(get(right), get(rightEnd)),
      );
    };
    if (runs.length === 1) {
      func.add(set(run, i32.const(0)));
      onRun();
    } else func.range(run, i32.const(0), i32.const(runs.length), 1, onRun);
    for (let r = 0; r < count; r++) {
      const addresses = after.row(func, get(batch), i32.add(get(row), i32.const(r)));
      for (let v = 0; v < wide; v++) {
        const sum = sums[r * tile.vectors + v] as Local;
        if (bytes) {
          const ofRow = i32.add(get(func.param(bytes.rows)), i32.mul(get(row), i32.const(4)));
          const ofColumns = i32.add(get(func.param(bytes.columns)), i32.mul(get(group), i32.const(16)));
          func.add(set(sum, scaled(sum, v128.load32Splat(ofRow, 4 * r), v128.load(ofColumns, 16 * v))));
        }
        after.store(func, addresses, i32.add(get(group), i32.const(v)), sum, Math.min(4, columns - 4 * v));
      }
    }
  }

  function panelCode(columns: number): void {
    const whole = extent.rows - (extent.rows % tile.rows);
    if (whole) {
      func.range(row, i32.const(0), i32.const(whole), tile.rows, () => tileCode(tile.rows, columns));
    }
    if (whole < extent.rows) {
      func.add(set(row, i32.const(whole)));
      tileCode(extent.rows - whole, columns);
    }
  }

  func.range(work, get(func.param(0)), get(func.param(1)), 1, () => {
    func.add(set(batch, extent.batch > 1 ? i32.div(get(work), i32.const(panels)) : i32.const(0)));
    func.add(set(panel, extent.batch > 1 ? i32.rem(get(work), i32.const(panels)) : get(work)));
    func.add(set(group, i32.mul(get(panel), i32.const(tile.vectors))));
    func.add(set(batchStart, leftOffset.at(func, get(batch))));
    const place = i32.add(rightOffset.at(func, get(batch)), i32.mul(get(panel), i32.const(panelStride)));
    func.add(set(panelStart, place));
    const rest = extent.columns - (panels - 1) * 4 * tile.vectors;
    if (rest === 4 * tile.vectors) return panelCode(rest);
    if (panels === 1) return panelCode(rest);
    func.ifElse(
      i32.lt(get(panel), i32.const(panels - 1)),
      () => panelCode(4 * tile.vectors),
      () => panelCode(rest),
    );
  });
  return { func, args: args.list, work: extent.batch * panels };
}
