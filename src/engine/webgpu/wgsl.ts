/** WGSL of the element-wise operators and of where elements lie. Every value is a float, every index a u32. */
import { UnsupportedGraphError } from "../../errors";
import type { Buffer, Expression, Load, Pending } from "../expression";
import { coalesce, joinLoops, type Layout, loopsOver, product, shapeOf, sortLoops } from "../layout";
import type { Operator } from "../math";

/** Lines of a function that is being written. */
export class Block {
  readonly lines: string[] = [];
  private names = 0;

  let(code: string): string {
    const name = `v${this.names++}`;
    this.lines.push(`let ${name} = ${code};`);
    return name;
  }
}

/** What shaders share. WGSL leaves open what becomes of infinity, so exponents stay within what a float can hold. */
export const PRELUDE = "fn power(x: f32) -> f32 { return exp(clamp(x, -87.0, 88.0)); }";

/** As `math.ts` has them; comparisons give 1 or 0. tanh by an exponential: WGSL's own may be coarse. */
const OPERATORS: Readonly<Record<Operator, (...args: string[]) => string>> = {
  add: (a, b) => `${a} + ${b}`,
  sub: (a, b) => `${a} - ${b}`,
  mul: (a, b) => `${a} * ${b}`,
  div: (a, b) => `${a} / ${b}`,
  min: (a, b) => `min(${a}, ${b})`,
  max: (a, b) => `max(${a}, ${b})`,
  less: (a, b) => `select(0.0, 1.0, ${a} < ${b})`,
  where: (condition, a, b) => `select(${b}, ${a}, ${condition} != 0.0)`,
  sqrt: (x) => `sqrt(${x})`,
  square: (x) => `${x} * ${x}`,
  trunc: (x) => `trunc(${x})`,
  neg: (x) => `-${x}`,
  relu: (x) => `max(${x}, 0.0)`,
  exp: (x) => `power(${x})`,
  sigmoid: (x) => `1.0 / (1.0 + power(-${x}))`,
  silu: (x) => `${x} / (1.0 + power(-${x}))`,
  tanh: (x) => `1.0 - 2.0 / (1.0 + power(2.0 * ${x}))`,
};

/** @throws UnsupportedGraphError: WGSL has no word for infinity or NaN */
export function float(value: number): string {
  const rounded = Math.fround(value);
  if (!Number.isFinite(rounded)) throw new UnsupportedGraphError(`WebGPU: expected finite numbers, got ${value}`);
  const text = Object.is(rounded, -0) ? "-0" : String(rounded);
  return `(${/[.e]/.test(text) ? text : `${text}.0`}f)`;
}

/** Computes an expression; `leaf` gives the code of its loads and of the kernel's result. */
export function evaluate(
  block: Block,
  expression: Expression,
  leaf: (leaf: Load | Pending) => string,
  done = new Map<Expression, string>(),
): string {
  if (expression.kind === "number") return float(expression.value);
  const known = done.get(expression);
  if (known) return known;
  const code =
    expression.kind === "apply"
      ? OPERATORS[expression.operator](...expression.args.map((arg) => evaluate(block, arg, leaf, done)))
      : leaf(expression);
  const name = block.let(code);
  done.set(expression, name);
  return name;
}

/** What a buffer holds of a float: memory has one word for each element, whatever its kind. */
export function stored(kind: Buffer["kind"], value: string): string {
  if (kind === "uint8") return `clamp(trunc(${value}), 0.0, 255.0)`;
  return kind === "int32" ? `trunc(${value})` : value;
}

const times = (turn: string, stride: number): string[] =>
  stride === 0 ? [] : [stride === 1 ? turn : `${turn} * ${stride}u`];
const sum = (terms: readonly string[]): string => terms.join(" + ") || "0u";

/** The digit of a number whose place is worth `inner`; the highest digit has none above it. */
function digit(index: string, inner: number, size: number, isHighest: boolean): string {
  const shifted = inner === 1 ? index : `${index} / ${inner}u`;
  return isHighest ? shifted : `(${shifted}) % ${size}u`;
}

/** Offset of an element by its index along each axis. */
export function offsetAt(layout: Layout, indices: readonly string[]): string {
  const terms = layout.flatMap((axis, a) => {
    const parts = coalesce(axis);
    let inner = product(parts.map(({ size }) => size));
    return parts.flatMap(({ size, stride }, p) => {
      inner /= size;
      if (stride === 0) return [];
      return times(`(${digit(indices[a] as string, inner, size, p === 0)})`, stride);
    });
  });
  return sum(terms);
}

/**
 * Offsets in several views of one shape for each number from 0 to their size: neighbours are neighbours in the memory of
 * the first view, where all have common loops, and in the order of the axes otherwise.
 */
export function offsetsOf(block: Block, layouts: readonly Layout[], index: string): string[] {
  const shape = shapeOf(layouts[0] as Layout);
  let inner = product(shape);
  const turnOf = (size: number) => {
    const isHighest = inner === product(shape);
    inner /= size;
    return block.let(digit(index, inner, size, isHighest));
  };
  const found = loopsOver(layouts);
  if (!found) {
    const indices = shape.map((size) => (size === 1 ? "0u" : turnOf(size)));
    return layouts.map((layout) => block.let(offsetAt(layout, indices)));
  }
  const loops = joinLoops(sortLoops(found, 0));
  const turns = loops.map(({ size }) => turnOf(size));
  return layouts.map((_, i) => sum(loops.flatMap(({ strides }, l) => times(turns[l] as string, strides[i] as number))));
}
