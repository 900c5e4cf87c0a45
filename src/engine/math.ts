/**
 * The element-wise operators: as WASM on four floats at once, and in JavaScript for constants. Exponentials follow Cephes'
 * expf: e^x = 2^n e^r with |r| ≤ ln 2 / 2 and a polynomial of degree 6 for e^r; its error is below 2 units in the last
 * place. Sigmoid and SiLU are made of it by one division, tanh by 1 − 2 / (e^2x + 1), whose absolute error is below 2e-7.
 */
import { type Code, type Func, f32x4, get, i32x4, type Local, v128 } from "./wasm";

/** What the machine offers beyond plain SIMD: a fused multiply-add and an int8 dot product. */
export type InstructionSet = "simd" | "relaxed-simd";

interface OperatorKind {
  readonly compute: (...values: number[]) => number;
  readonly emit: (func: Func, set: InstructionSet, ...values: Local[]) => Code;
}

/** a · b + c: fused where the machine can, rounded twice elsewhere. */
export const multiplyAdd = (set: InstructionSet, a: Code, b: Code, c: Code): Code =>
  set === "relaxed-simd" ? f32x4.relaxedMadd(a, b, c) : f32x4.add(f32x4.mul(a, b), c);

const LOG2_E = Math.LOG2E;
const LN2_HIGH = 0.693359375;
const LN2_LOW = -2.1219444e-4;
const POLYNOMIAL = [1.98756915e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1];
const LARGEST = 88; // e^88 is still a float; below −87 the result would be denormal

/** Added to a small float it leaves the nearest whole number in the low bits: 1.5 · 2²³. */
export const ROUNDER = 12_582_912;
export const ROUNDER_BITS = 0x4b400000;

export function exp(func: Func, set: InstructionSet, x: Code): Code {
  const madd = (a: Code, b: Code, c: Code) => multiplyAdd(set, a, b, c);
  const clamped = func.let("v128", f32x4.pmax(f32x4.pmin(x, v128.f32(LARGEST)), v128.f32(1 - LARGEST)));
  const rounded = func.let("v128", f32x4.add(f32x4.mul(get(clamped), v128.f32(LOG2_E)), v128.f32(ROUNDER)));
  const n = func.let("v128", f32x4.sub(get(rounded), v128.f32(ROUNDER)));
  const high = madd(get(n), v128.f32(-LN2_HIGH), get(clamped));
  const r = func.let("v128", madd(get(n), v128.f32(-LN2_LOW), high));
  const series = POLYNOMIAL.slice(1).reduce<Code>(
    (sum, coefficient) => madd(sum, get(r), v128.f32(coefficient)),
    v128.f32(POLYNOMIAL[0] as number),
  );
  const power = madd(series, f32x4.mul(get(r), get(r)), f32x4.add(get(r), v128.f32(1)));
  const exponent = i32x4.add(i32x4.shl(get(rounded), 23), v128.f32(1)); // 2^n: the rounder's own bits are shifted out
  return f32x4.mul(power, exponent);
}

const ONE = v128.f32(1);
const onePlusExp = (func: Func, set: InstructionSet, x: Code): Code => f32x4.add(exp(func, set, x), ONE);
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const binary = (compute: (a: number, b: number) => number, code: (a: Code, b: Code) => Code) =>
  ({ compute, emit: (_func, _set, a, b) => code(get(a as Local), get(b as Local)) }) as OperatorKind;
const unary = (
  compute: (a: number) => number,
  code: (x: Code, func: Func, set: InstructionSet) => Code,
): OperatorKind => ({ compute, emit: (func, set, x) => code(get(x as Local), func, set) }) as OperatorKind;

/** Comparisons give 1 or 0. */
export const OPERATORS = {
  add: binary((a, b) => a + b, f32x4.add),
  sub: binary((a, b) => a - b, f32x4.sub),
  mul: binary((a, b) => a * b, f32x4.mul),
  div: binary((a, b) => a / b, f32x4.div),
  min: binary(Math.min, f32x4.min),
  max: binary(Math.max, f32x4.max),
  less: binary(
    (a, b) => Number(a < b),
    (a, b) => v128.and(f32x4.lt(a, b), ONE),
  ),
  where: {
    compute: (condition, a, b) => (condition ? (a as number) : (b as number)),
    emit: (_func, _set, condition, a, b) =>
      v128.bitselect(get(b as Local), get(a as Local), f32x4.eq(get(condition as Local), v128.f32(0))),
  } as OperatorKind,
  sqrt: unary(Math.sqrt, (x) => f32x4.sqrt(x)),
  square: unary(
    (x) => x * x,
    (x) => f32x4.mul(x, x),
  ),
  trunc: unary(Math.trunc, (x) => f32x4.trunc(x)),
  neg: unary(
    (x) => -x,
    (x) => f32x4.neg(x),
  ),
  relu: unary(
    (x) => Math.max(x, 0),
    (x) => f32x4.max(x, v128.f32(0)),
  ),
  exp: unary(Math.exp, (x, func, set) => exp(func, set, x)),
  sigmoid: unary(sigmoid, (x, func, set) => f32x4.div(ONE, onePlusExp(func, set, f32x4.neg(x)))),
  silu: unary(
    (x) => x * sigmoid(x),
    (x, func, set) => f32x4.div(x, onePlusExp(func, set, f32x4.neg(x))),
  ),
  tanh: unary(Math.tanh, (x, func, set) =>
    f32x4.sub(ONE, f32x4.div(v128.f32(2), onePlusExp(func, set, f32x4.add(x, x)))),
  ),
} satisfies Record<string, OperatorKind>;

export type Operator = keyof typeof OPERATORS;

/** A sum (or maximum) over the four lanes, in each lane. */
export function acrossLanes(func: Func, value: Local, combine: (a: Code, b: Code) => Code): Code {
  const swapped = v128.shuffle(get(value), get(value), [2, 3, 0, 1]);
  const half = func.let("v128", combine(get(value), swapped));
  return combine(get(half), v128.shuffle(get(half), get(half), [1, 0, 3, 2]));
}
