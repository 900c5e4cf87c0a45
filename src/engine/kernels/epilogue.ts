/**
 * What is done to a matrix of results before it is stored (bias, activation, gate, residual), and where each of its
 * values goes. Rows and columns may lie anywhere: a pixel shuffle or a transpose is a table of offsets.
 */
import { type Expression, type Load, loadsOf, pendingOf, type View } from "../expression";
import { type Loop, loopsOver } from "../layout";
import { type Address, BYTES, evaluate, loadFour, type Program, storeLanes } from "../program";
import { type Code, type Func, get, i32, type Local } from "../wasm";
import type { Addressing, Arguments } from "./addressing";

/** A matrix of results, [batch, rows, columns]. */
export interface Extent {
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
}

interface Operand {
  readonly view: View;
  readonly rows: readonly Address[];
  readonly batch: readonly number[]; // bytes
  readonly groups: readonly number[]; // bytes, of each four columns
  readonly lane: number; // elements from one column of a group to the next
}

/** Where the target and everything that the expression reads lie, for each batch, row and group of four columns. */
export interface Epilogue {
  readonly expression: Expression;
  readonly target: View;
  readonly loads: readonly Load[];
  readonly operands: readonly Operand[]; // the target first
  /** The graph's number of each column: columns are put in the order of the target's memory. */
  readonly columns: readonly number[];
}

/**
 * @param anyOrder columns may be reordered, as the weights they come from can be
 * @returns null when four neighbouring columns don't lie evenly, or axes cut across rows and columns
 */
export function planEpilogue(expression: Expression, target: View, extent: Extent, anyOrder: boolean): Epilogue | null {
  const loads = loadsOf(expression);
  const [result] = pendingOf(expression);
  if (!result) return null;
  const views = [target, ...loads];
  const found = loopsOver([result, ...views].map(({ layout }) => layout));
  if (!found) return null;
  const matrix = extent.rows * extent.columns;
  const loops = splitAt(splitAt(found, extent.columns), matrix);
  if (!loops) return null;
  const stride = (loop: Loop) => loop.strides[0] as number;
  const inOrder = [...loops].sort((a, b) => stride(b) - stride(a));
  const within = (from: number, to: number) => inOrder.filter((loop) => stride(loop) >= from && stride(loop) < to);
  const columns = within(1, extent.columns);
  const complete = within(0, 1).length === 0 && loops.reduce((count, { size }) => count * size, 1);
  if (complete !== extent.batch * matrix) return null;
  if (anyOrder) columns.sort((a, b) => (b.strides[1] as number) - (a.strides[1] as number));

  const operands: Operand[] = [];
  for (const [i, view] of views.entries()) {
    const bytes = BYTES[view.buffer.kind];
    const offsets = offsetsOver(columns, 1 + i);
    const lane = offsets.length > 1 ? (offsets[1] as number) - (offsets[0] as number) : 1;
    const even = offsets.every((offset, c) => offset === (offsets[c - (c % 4)] as number) + (c % 4) * lane);
    if (!even) return null;
    operands.push({
      view,
      lane,
      rows: offsetsOver(within(extent.columns, matrix), 1 + i).map((offset) => ({
        buffer: view.buffer,
        offset: (view.offset + offset) * bytes,
      })),
      batch: offsetsOver(within(matrix, Number.POSITIVE_INFINITY), 1 + i).map((offset) => offset * bytes),
      groups: offsets.filter((_, c) => c % 4 === 0).map((offset) => offset * bytes),
    });
  }
  return { expression, target, loads, operands, columns: offsetsOver(columns, 0) };
}

/** Splits the loop that crosses a boundary of the result's strides; null when it can't be. */
function splitAt(loops: readonly Loop[] | null, boundary: number): Loop[] | null {
  if (!loops) return null;
  const out: Loop[] = [];
  for (const loop of loops) {
    const stride = loop.strides[0] as number;
    if (stride >= boundary || stride * loop.size <= boundary) out.push(loop);
    else {
      const inner = boundary / stride;
      if (!Number.isInteger(inner) || loop.size % inner) return null;
      out.push({ size: loop.size / inner, strides: loop.strides.map((s) => s * inner) });
      out.push({ size: inner, strides: loop.strides });
    }
  }
  return out;
}

/** An operand's offset for each turn of nested loops. */
export function offsetsOver(loops: readonly Loop[], operand: number): number[] {
  let offsets = [0];
  for (const { size, strides } of loops) {
    const stride = strides[operand] as number;
    offsets = offsets.flatMap((offset) => Array.from({ length: size }, (_, i) => offset + i * stride));
  }
  return offsets;
}

/** Writes the code of an epilogue. */
export class EpilogueCode {
  private readonly addressings: readonly { rows: Addressing; batch: Addressing; groups: Addressing }[];

  constructor(
    private readonly program: Program,
    private readonly plan: Epilogue,
    args: Arguments,
  ) {
    this.addressings = plan.operands.map(({ rows, batch, groups }) => ({
      rows: args.addressing(rows),
      batch: args.addressing(batch),
      groups: args.addressing(groups),
    }));
  }

  /** Addresses of one row, one for each operand. */
  row(func: Func, batch: Code, row: Code): Local[] {
    return this.addressings.map((addressing) =>
      func.let("i32", i32.add(addressing.rows.at(func, row), addressing.batch.at(func, batch))),
    );
  }

  /** Stores the first `lanes` of a group of four columns of a row. */
  store(func: Func, rowAddresses: readonly Local[], group: Code, result: Local, lanes: number): void {
    const { expression, loads, operands, target } = this.plan;
    const place = (i: number) =>
      i32.add(get(rowAddresses[i] as Local), (this.addressings[i] as { groups: Addressing }).groups.at(func, group));
    const value = evaluate(func, this.program.instructionSet, expression, (leaf) => {
      if (leaf.kind === "result") return get(result);
      const i = 1 + loads.indexOf(leaf);
      const operand = operands[i] as Operand;
      return loadFour(operand.view.buffer, get(func.let("i32", place(i))), operand.lane);
    });
    const to = func.let("i32", place(0));
    storeLanes(func, target.buffer, get(to), value, (operands[0] as Operand).lane, lanes);
  }
}
