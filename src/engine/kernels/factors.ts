/**
 * The inner dimension of a product: the runs of k that both factors can walk, and the right factor as it is read, packed in
 * the left one's order or where it lies. The kernel itself is `product.ts`.
 */
import type { Buffer, View } from "../expression";
import { commonLoops, joinLoops, type Loop, offsetsOf, sizeOf, slice, sortLoops } from "../layout";
import type { Address } from "../program";
import { type Extent, offsetsOver } from "./epilogue";
import type { Tile } from "./tile";

/** A run of k: where it begins in each factor, and how long it is. */
interface Run {
  readonly left: number; // bytes from the row's address
  readonly right: Address; // of the first panel
  readonly length: number;
  /** Bytes from one k to the next in the right factor. */
  readonly rightStride: number;
}

export interface Inner {
  readonly runs: readonly Run[];
  /** Bytes from one k to the next in the left factor. */
  readonly leftStride: number;
  /** Bytes from one panel to the next. */
  readonly panelStride: number;
  readonly rightBatch: readonly number[];
  readonly rightBuffers: readonly Buffer[];
}

/** The loops over k of one piece; strides of left and right, elements. */
export interface KLoops {
  readonly outer: readonly Loop[];
  readonly inner: Loop;
  /** Elements to add for this piece: of left, of right. */
  readonly start: readonly [number, number];
}

/** Null when the factors' axes have no common loops, or pieces of k differ in the left factor's stride. */
export function kLoops(left: readonly View[], right: readonly View[], packed: boolean): KLoops[] | null {
  if (right.length > 1 && left.length > 1) return null;
  const pieces: KLoops[] = [];
  let at = 0;
  for (const part of right) {
    const size = sizeOf(part.layout[1] ?? []);
    const cuts = left.map(({ layout }) => slice(layout, 2, at, size));
    at += size;
    for (const cut of cuts) {
      if (!cut) return null;
      const found = commonLoops([cut.layout[2] ?? [], part.layout[1] ?? []]);
      if (!found) return null;
      const sorted = sortLoops(found, 0);
      const loops = packed ? joinLeft(sorted) : joinLoops(sorted);
      const inner = loops.at(-1) ?? { size: 1, strides: [1, 1] };
      const piece: KLoops = { outer: loops.slice(0, -1), inner, start: [cut.offset, part.offset] };
      const twin = pieces[0];
      if (twin && twin.inner.strides[0] !== inner.strides[0]) return null;
      if (cut === cuts[0]) pieces.push(piece);
      else if (!sameLoops(pieces.at(-1) as KLoops, piece)) return null;
    }
  }
  return pieces;
}

const sameLoops = (a: KLoops, b: KLoops) =>
  JSON.stringify([a.outer, a.inner]) === JSON.stringify([b.outer, b.inner]) && a.start[0] === b.start[0];

/** Joins loops by the left factor alone, whose order packed weights follow. The right one's offsets are kept in `rights`. */
function joinLeft(loops: readonly Loop[]): Loop[] {
  const out: PackedLoop[] = [];
  for (const loop of loops) {
    const [left, right] = loop.strides as [number, number];
    const rights = Array.from({ length: loop.size }, (_, i) => i * right);
    const outer = out.at(-1);
    if (outer && outer.strides[0] === left * loop.size) {
      const joined = outer.rights.flatMap((a) => rights.map((b) => a + b));
      out[out.length - 1] = { size: joined.length, strides: [left, Number.NaN], rights: joined };
    } else out.push({ size: loop.size, strides: [left, right], rights });
  }
  return out;
}
interface PackedLoop extends Loop {
  readonly rights: readonly number[];
}

/** Where the weights lie for each turn of a loop. */
export const rightsOf = (loop: Loop): readonly number[] =>
  (loop as Partial<PackedLoop>).rights ?? Array.from({ length: loop.size }, (_, i) => i * (loop.strides[1] as number));

/** Packs weights: [batch, panel, k in the order of the left factor, 4 · vectors]; zeros beyond the last column. */
export function packWeights(weights: View, loops: KLoops, order: readonly number[], extent: Extent, tile: Tile): Inner {
  const source = weights.buffer.data as Float32Array;
  let ks = [weights.offset];
  for (const loop of [...loops.outer, loops.inner]) ks = ks.flatMap((k) => rightsOf(loop).map((right) => k + right));
  const columnOffsets = offsetsOf(weights.layout[2] ?? []);
  const columns = Int32Array.from(order, (column) => columnOffsets[column] as number);
  const batches = offsetsOf(weights.layout[0] ?? []);
  const wide = 4 * tile.vectors;
  const panels = Math.ceil(columns.length / wide);
  const packed = new Float32Array(batches.length * panels * ks.length * wide);
  let at = 0;
  for (const batch of batches) {
    for (let first = 0; first < columns.length; first += wide) {
      const count = Math.min(wide, columns.length - first);
      for (const k of ks) {
        const row = batch + k;
        for (let c = 0; c < count; c++) packed[at + c] = source[row + (columns[first + c] as number)] as number;
        at += wide;
      }
    }
  }
  const buffer: Buffer = { kind: "float32", size: packed.length, place: "constant", data: packed };
  return innerPacked(buffer, loops, extent, tile, batches.length);
}

/** Addresses in packed weights. */
export function innerPacked(buffer: Buffer, loops: KLoops, extent: Extent, tile: Tile, batches: number): Inner {
  const wide = 4 * tile.vectors;
  const depth = loops.outer.reduce((size, loop) => size * loop.size, loops.inner.size);
  const runs = offsetsOver(loops.outer, 0).map((left, i) => ({
    left: 4 * (left + loops.start[0]),
    right: { buffer, offset: 4 * wide * i * loops.inner.size },
    length: loops.inner.size,
    rightStride: 4 * wide,
  }));
  const matrix = 4 * Math.ceil(extent.columns / wide) * depth * wide;
  return {
    runs,
    leftStride: 4 * (loops.inner.strides[0] as number),
    panelStride: 4 * wide * depth,
    rightBatch: Array.from({ length: extent.batch }, (_, i) => (batches > 1 ? i * matrix : 0)),
    rightBuffers: [buffer],
  };
}

/** A right factor that is read where it lies. */
export function innerInPlace(right: readonly View[], pieces: readonly KLoops[], tile: Tile, extent: Extent): Inner {
  const runs = pieces.flatMap(({ outer, inner, start }, i) => {
    const { buffer } = right[i] as View;
    const rights = offsetsOver(outer, 1);
    return offsetsOver(outer, 0).map((left, run) => ({
      left: 4 * (left + start[0]),
      right: { buffer, offset: 4 * (start[1] + (rights[run] as number)) },
      length: inner.size,
      rightStride: 4 * (inner.strides[1] as number),
    }));
  });
  const [left] = (pieces[0] as KLoops).inner.strides as [number];
  const batch = offsetsOf((right[0] as View).layout[0] ?? []).map((offset) => 4 * offset);
  return {
    runs,
    leftStride: 4 * left,
    panelStride: 16 * tile.vectors,
    rightBatch: batch.length === extent.batch ? batch : Array<number>(extent.batch).fill(0),
    rightBuffers: right.map(({ buffer }) => buffer),
  };
}
