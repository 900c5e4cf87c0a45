/**
 * The program that a graph becomes: steps in their order, each a WASM function, the addresses it is called with, and how
 * much work it can be split into. Where buffers lie: `arena.ts`; what a step does: `kernels/`.
 */
import type { Buffer, Expression, Load, Pending, View } from "./expression";
import type { InstructionSet } from "./math";
import { OPERATORS } from "./math";
import { type Code, type Func, f32x4, get, i8x16, i16x8, i32, i32x4, type Local, set, v128 } from "./wasm";

export interface Address {
  readonly buffer: Buffer;
  readonly offset: number; // bytes
}

/** A table of addresses, or of offsets from one: filled in when the arena is planned. */
export type Table = readonly (Address | number)[];

export type Phase = "product" | "quantise" | "transform" | "elementwise" | "softmax" | "mean" | "lookup";

export interface Step {
  readonly phase: Phase;
  /** What it computes, for people. */
  readonly label: string;
  /** Takes the first and the last piece of work (exclusive), then `args`. */
  readonly func: Func;
  readonly args: readonly (Address | Table)[];
  readonly reads: readonly Buffer[];
  readonly writes: readonly Buffer[];
  /** Pieces of work that any thread may do. */
  readonly work: number;
  /** Multiplications and additions of products: those that the graph asks for, and those that are done. */
  readonly flops: number;
  readonly executed: number;
}

/** Of a product by weights; int8: in whole numbers. */
export type Precision = "float32" | "int8";

export class Program {
  readonly steps: Step[] = [];
  constructor(readonly instructionSet: InstructionSet) {}
}

export const BYTES = { float32: 4, int32: 4, uint8: 1 } as const;

export const addressOf = ({ buffer, offset }: View): Address => ({ buffer, offset: offset * BYTES[buffer.kind] });

/** Four values from `address`, `stride` elements apart; floats whatever the buffer holds. */
export function loadFour(buffer: Buffer, address: Code, stride: number): Code {
  if (stride === 0) return loadOne(buffer, address);
  if (buffer.kind === "uint8") {
    const bytes =
      stride === 1
        ? v128.load32Zero(address)
        : [1, 2, 3].reduce<Code>(
            (into, lane) => v128.load8Lane(address, into, lane, lane * stride),
            v128.load8Splat(address),
          );
    return f32x4.convertI32(i32x4.extendLowU16(i16x8.extendLowU8(bytes)));
  }
  const words =
    stride === 1
      ? v128.load(address)
      : [1, 2, 3].reduce<Code>(
          (into, lane) => v128.load32Lane(address, into, lane, lane * stride * 4),
          v128.load32Zero(address),
        );
  return buffer.kind === "int32" ? f32x4.convertI32(words) : words;
}

/** One value, four times. */
export function loadOne(buffer: Buffer, address: Code): Code {
  if (buffer.kind === "uint8") return f32x4.convertI32(i32x4.splat(i32.load8(address)));
  const word = v128.load32Splat(address);
  return buffer.kind === "int32" ? f32x4.convertI32(word) : word;
}

/**
 * Stores the first `count` of four values, `stride` elements apart, and overwrites them on the way. Bytes are what is left of
 * the point, from 0 to 255.
 */
export function storeLanes(func: Func, buffer: Buffer, address: Code, value: Local, stride: number, count = 4): void {
  const whole = stride === 1 && count === 4;
  const lanes = Array.from({ length: count }, (_, lane) => lane);
  if (buffer.kind === "uint8") {
    func.add(set(value, i32x4.truncSat(get(value))));
    func.add(set(value, i8x16.narrowU16(i16x8.narrowI32(get(value), get(value)), v128.i32(0))));
    if (whole) func.add(v128.store32Lane(address, get(value), 0));
    else func.add(...lanes.map((lane) => v128.store8Lane(address, get(value), lane, lane * stride)));
    return;
  }
  if (buffer.kind === "int32") func.add(set(value, i32x4.truncSat(get(value))));
  if (whole) func.add(v128.store(address, get(value)));
  else func.add(...lanes.map((lane) => v128.store32Lane(address, get(value), lane, 4 * lane * stride)));
}

/** Computes an expression on four lanes; `leaf` gives the values of its loads and of the kernel's result. */
export function evaluate(
  func: Func,
  instructionSet: InstructionSet,
  expression: Expression,
  leaf: (leaf: Load | Pending) => Code,
  done = new Map<Expression, Local>(),
): Local {
  const known = done.get(expression);
  if (known) return known;
  let code: Code;
  if (expression.kind === "number") code = v128.f32(expression.value);
  else if (expression.kind === "apply") {
    const args = expression.args.map((arg) => evaluate(func, instructionSet, arg, leaf, done));
    code = OPERATORS[expression.operator].emit(func, instructionSet, ...args);
  } else code = leaf(expression);
  const local = func.local("v128");
  func.add(set(local, code));
  done.set(expression, local);
  return local;
}
