/**
 * Matrix products, [batch, rows, k] × [batch, k, columns], and through their addressing also convolutions and attention.
 * The kernel itself is `product-code.ts`.
 *
 * A constant right matrix is packed in panels of 4·V columns that are read from front to back and stay in the first-level
 * cache while the rows pass; another one is read where it lies. Rows are found by stride or table, k by runs of even
 * stride; so a patch of pixels, a pixel shuffle or a ring of slots needs no copy.
 */
import type { Buffer, Expression, Result, View } from "../expression";
import { offsetsOf, sizeOf } from "../layout";
import type { Precision, Program } from "../program";
import { type Extent, planEpilogue } from "./epilogue";
import { innerInPlace, innerPacked, type KLoops, kLoops, packWeights, rightsOf } from "./factors";
import { addWholeProduct, isQuantisable, quantiseWeights } from "./int8";
import { emitProduct } from "./product-code";
import { tileFor, wholeTile } from "./tile";

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
  /** Absent: float32. Whole numbers only where `canQuantise`. */
  readonly precision?: Precision;
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
      if (weights && !factors.packed && canQuantise(factors, first, extent)) {
        const wide = 4 * wholeTile(extent).vectors;
        const at = weightAt(weights, first, epilogue.columns);
        const quantised = quantiseWeights(at, { depth, columns: extent.columns, wide });
        const executed = 2 * extent.rows * extent.columns * depth;
        const { label } = factors;
        addWholeProduct(program, {
          extent,
          depth,
          rows: rowAddresses,
          weights: quantised,
          epilogue,
          label,
          flops: executed,
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
      const step = emitProduct(program, {
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

/** A weight by its place along k, in the order of the left factor, and by its column, in the order of the epilogue. */
function weightAt(weights: View, loops: KLoops, order: readonly number[]): (k: number, column: number) => number {
  const source = weights.buffer.data as Float32Array;
  const ks = rightsOf(loops.inner);
  const offsets = offsetsOf(weights.layout[2] ?? []);
  const columns = order.map((column) => weights.offset + (offsets[column] as number));
  return (k, column) => source[(ks[k] as number) + (columns[column] as number)] as number;
}

/** Products by weights whose left rows lie without gaps and are many; single rows, such as a condition's, stay exact. */
const canQuantise = ({ precision }: Factors, { outer, inner }: KLoops, extent: Extent): boolean =>
  precision === "int8" &&
  extent.batch === 1 &&
  extent.rows >= 4 &&
  outer.length === 0 &&
  inner.strides[0] === 1 &&
  isQuantisable(inner.size);
