/** Tensors while a graph is lowered: their shapes, the rules by which shapes meet, and constants computed at once. */
import { UnsafeGraphError } from "../errors";
import { constantView, type Expression, type View } from "./expression";
import { dense, type Layout, product } from "./layout";
import { OPERATORS } from "./math";

/** A tensor that may not have been computed yet. */
export type Value =
  | { readonly kind: "expression"; readonly shape: readonly number[]; readonly expression: Expression }
  | {
      readonly kind: "joined";
      readonly shape: readonly number[];
      readonly axis: number;
      readonly parts: readonly Value[];
    };

export const expressed = (shape: readonly number[], expression: Expression): Value => ({
  kind: "expression",
  shape,
  expression,
});

export const broken = (what: string) =>
  new UnsafeGraphError(`expected a sound graph, got ${what}. Export the world again.`);
export const same = (a: readonly number[], b: readonly number[]) =>
  a.length === b.length && a.every((size, i) => size === b[i]);

/** Without gaps, axes in the same order in memory. */
export function packed(layout: Layout): Layout {
  const parts = layout.flatMap((axis, a) => axis.map((part, p) => ({ ...part, a, p })));
  let stride = 1;
  const out: { size: number; stride: number }[][] = layout.map(() => []);
  for (const { a, p, size } of parts.sort((x, y) => x.stride - y.stride)) {
    (out[a] as { size: number; stride: number }[])[p] = { size, stride };
    stride *= size;
  }
  return out;
}

export const LONGEST = 24; // operators of one expression: code stays small, and a hostile graph's chain has no depth

/** How many operators an expression holds. */
export function weight(expression: Expression): number {
  if (expression.kind !== "apply") return 0;
  return expression.args.reduce((sum, arg) => sum + weight(arg), 1);
}

/** Arithmetic that costs no more than reading a stored result would. */
export const isCheap = (expression: Expression): boolean =>
  expression.kind !== "apply" ||
  (["add", "sub", "mul"].includes(expression.operator) && expression.args.every((arg) => arg.kind !== "apply"));

/** @throws UnsafeGraphError when the shapes don't go together */
export function commonShape(shapes: readonly (readonly number[])[]): number[] {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  return Array.from({ length: rank }, (_, i) => {
    const sizes = shapes.map((shape) => shape[i - rank + shape.length] ?? 1).filter((size) => size !== 1);
    if (sizes.some((size) => size !== sizes[0])) {
      throw broken(`shapes that don't go together: ${shapes.map((shape) => `[${shape.join(", ")}]`).join(" and ")}`);
    }
    return sizes[0] ?? 1;
  });
}

/** Computes a constant expression. */
export function fold(expression: Expression, shape: readonly number[]): View {
  const size = product(shape);
  const data = new Float32Array(size);
  const strides = dense(shape).map((axis) => axis[0]?.stride ?? 0);
  const at = (layout: Layout, index: number): number =>
    layout.reduce((offset, axis, a) => {
      let rest = strides[a] ? Math.floor(index / (strides[a] as number)) % (shape[a] as number) : 0;
      let sum = offset;
      for (const part of [...axis].reverse()) {
        sum += (rest % part.size) * part.stride;
        rest = Math.floor(rest / part.size);
      }
      return sum;
    }, 0);
  const compute = (node: Expression, index: number): number => {
    if (node.kind === "number") return node.value;
    if (node.kind === "load") return node.buffer.data?.[node.offset + at(node.layout, index)] as number;
    if (node.kind === "result") return Number.NaN;
    return OPERATORS[node.operator].compute(...node.args.map((arg) => compute(arg, index)));
  };
  for (let i = 0; i < size; i++) data[i] = compute(expression, i);
  return constantView(shape, data);
}
