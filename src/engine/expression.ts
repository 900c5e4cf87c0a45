/**
 * Element-wise arithmetic that hasn't been computed yet: a tree over strided views of buffers. It moves into the kernel
 * that needs it, as what is read there or as what is done to a sum before it is stored; so most operators of a graph cost
 * no pass over memory of their own.
 */
import { dense, type Layout, reshape, slice } from "./layout";
import type { Operator } from "./math";
import { elementsOf } from "./onnx";

/** Memory of one tensor. What it is for decides where it lies: see `arena.ts`. */
export interface Buffer {
  readonly kind: "float32" | "int32" | "uint8";
  /** Elements. */
  readonly size: number;
  /** work: reused once it is dead; kept: the tick's inputs and outputs; padded: zeros but where it is written. */
  readonly place: "work" | "kept" | "padded" | "constant";
  /** Of a padded buffer, what its borders are: those of the same shape may share memory. */
  readonly shape?: string;
  /** The contents of a constant. */
  readonly data?: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> | Uint8Array<ArrayBuffer>;
}

export interface View {
  readonly buffer: Buffer;
  readonly layout: Layout;
  readonly offset: number; // elements
}

/** What a kernel computes that isn't in the program yet, as if it lay row by row in a buffer of its own. */
export interface Result {
  readonly shape: readonly number[];
  /**
   * Adds the kernel, with the rest of the expression done to each value before it is stored.
   * @returns false when it can't store in this way; nothing has been added then
   */
  finish(expression: Expression, target: View): boolean;
}

export type Expression =
  | { readonly kind: "number"; readonly value: number }
  | ({ readonly kind: "load" } & View)
  | { readonly kind: "result"; readonly result: Result; readonly layout: Layout }
  | { readonly kind: "apply"; readonly operator: Operator; readonly args: readonly Expression[] };

export type Load = Extract<Expression, { kind: "load" }>;
export type Pending = Extract<Expression, { kind: "result" }>;

export const number = (value: number): Expression => ({ kind: "number", value });
export const load = (view: View): Load => ({ kind: "load", ...view });

/** New memory of the work area, row by row, in float32. @throws UnsupportedGraphError when it is too large */
export const workView = (shape: readonly number[]): View => ({
  buffer: { kind: "float32", size: elementsOf(shape), place: "work" },
  layout: dense(shape),
  offset: 0,
});

/** Numbers known now, row by row. */
export const constantView = (
  shape: readonly number[],
  data: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>,
): View => ({
  buffer: { kind: data instanceof Float32Array ? "float32" : "int32", size: data.length, place: "constant", data },
  layout: dense(shape),
  offset: 0,
});

/** A result that nothing follows yet. */
export const pending = (result: Result): Pending => ({ kind: "result", result, layout: dense(result.shape) });

/** Leaves that have a layout, each once. */
export function leavesOf(expression: Expression, found = new Set<Load | Pending>()): Set<Load | Pending> {
  if (expression.kind === "load" || expression.kind === "result") found.add(expression);
  if (expression.kind === "apply") for (const arg of expression.args) leavesOf(arg, found);
  return found;
}

export const loadsOf = (expression: Expression): Load[] =>
  [...leavesOf(expression)].filter((leaf) => leaf.kind === "load");

export const pendingOf = (expression: Expression): Pending[] =>
  [...leavesOf(expression)].filter((leaf) => leaf.kind === "result");

/** Changes every leaf; null when `change` can't. What was shared stays shared. */
export function mapLeaves(
  expression: Expression,
  change: (leaf: Load | Pending) => Load | Pending | null,
  done = new Map<Expression, Expression | null>(),
): Expression | null {
  const known = done.get(expression);
  if (known !== undefined) return known;
  let result: Expression | null = expression;
  if (expression.kind === "load" || expression.kind === "result") result = change(expression);
  else if (expression.kind === "apply") {
    const args = expression.args.map((arg) => mapLeaves(arg, change, done));
    const whole = args.filter((arg) => arg !== null);
    result = whole.length === args.length ? { ...expression, args: whole } : null;
  }
  done.set(expression, result);
  return result;
}

/** Changes every layout; null when `change` can't. */
export const mapLayouts = (expression: Expression, change: (layout: Layout) => Layout | null): Expression | null =>
  mapLeaves(expression, (leaf) => {
    const layout = change(leaf.layout);
    return layout && { ...leaf, layout };
  });

export const reshapeExpression = (expression: Expression, shape: readonly number[]): Expression | null =>
  mapLayouts(expression, (layout) => reshape(layout, shape));

/** Null for what is pending: a kernel is never computed in part. */
export const sliceExpression = (
  expression: Expression,
  axis: number,
  start: number,
  count: number,
): Expression | null =>
  mapLeaves(expression, (leaf) => {
    const cut = slice(leaf.layout, axis, start, count);
    if (!cut || leaf.kind === "result") return null;
    return { ...leaf, layout: cut.layout, offset: leaf.offset + cut.offset };
  });
