/**
 * The code of matrix products, in float32 and in whole numbers.
 *
 * Tiling: R rows × V vectors of four columns stay in registers over all of k. V8 places all loads of a loop's body before
 * its arithmetic, so that R·V sums, R values of the left matrix and V vectors of the right one are alive at once (and a
 * product, where it isn't fused with its sum). x86-64 has 15 registers to give: 4 × 2, 2 × 4 and, fused, 3 × 3 fill them.
 * One step more, a larger tile or k unrolled by two, and sums are spilled to the stack: half the speed, measured. 8 or 9
 * sums are just what two multiply-adds a cycle with a latency of four need.
 */
import type { Buffer } from "../expression";
import { multiplyAdd } from "../math";
import type { Program, Table } from "../program";
import { type Code, Func, f32x4, get, i32, i32x4, type Local, set, v128 } from "../wasm";
import { Arguments } from "./addressing";
import { type Epilogue, EpilogueCode, type Extent } from "./epilogue";
import type { Inner } from "./factors";
import type { Tile } from "./tile";

export interface Kernel {
  readonly extent: Extent;
  readonly tile: Tile;
  readonly inner: Inner;
  readonly rows: Table;
  readonly leftBatch: readonly number[];
  readonly epilogue: Epilogue;
  /** Of a product in whole numbers: what its sums are scaled by, and the size of a weight. */
  readonly whole?: { readonly bytes: 1 | 2; readonly rowScales: Buffer; readonly columnScales: Buffer };
}

/** The function, its arguments, and into how many pieces its work is divided: one a panel. */
export function emitProduct(program: Program, { extent, tile, inner, rows, leftBatch, epilogue, whole }: Kernel) {
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
  const scales = whole && { rows: startOf(whole.rowScales), columns: startOf(whole.columnScales) };
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

  /** A whole sum as a float. */
  function scaled(
    sum: Local,
    { rows: ofRows, columns: ofColumns }: { rows: number; columns: number },
    r: number,
    v: number,
  ): Code {
    const padded = 4 * tile.vectors * panels;
    const at = i32.add(i32.mul(get(batch), i32.const(extent.rows)), get(row));
    const column = i32.add(i32.mul(get(batch), i32.const(padded / 4)), get(group));
    const rowScale = v128.load32Splat(i32.add(get(func.param(ofRows)), i32.mul(at, i32.const(4))), 4 * r);
    const columnScale = v128.load(i32.add(get(func.param(ofColumns)), i32.mul(column, i32.const(16))), 16 * v);
    return f32x4.mul(f32x4.convertI32(get(sum)), f32x4.mul(rowScale, columnScale));
  }

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
            const four = whole?.bytes === 1 ? v128.load8x8(get(right), 8 * v) : v128.load(get(right), 16 * v);
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
                  whole
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
        if (scales) func.add(set(sum, scaled(sum, scales, r, v)));
        after.store(func, addresses, i32.add(get(group), i32.const(v)), sum, Math.min(4, columns - 4 * v));
      }
    }
  }

  function panelCode(columns: number): void {
    const evenRows = extent.rows - (extent.rows % tile.rows);
    if (evenRows) {
      func.range(row, i32.const(0), i32.const(evenRows), tile.rows, () => tileCode(tile.rows, columns));
    }
    if (evenRows < extent.rows) {
      func.add(set(row, i32.const(evenRows)));
      tileCode(extent.rows - evenRows, columns);
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
