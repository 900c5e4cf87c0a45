/**
 * A WebAssembly assembler: instructions as byte arrays that nest like the expressions they compute, functions with typed
 * locals, and one module of them. What the instructions are for: see `kernels/`. No toolchain and no binary file.
 */

/** An instruction after what it takes from the stack, as bytes; nested, so that putting one together copies nothing. */
export type Code = number | readonly Code[];
export type ValueType = "i32" | "f32" | "v128";
export interface Local {
  readonly index: number;
  readonly type: ValueType;
}

const TYPES: Record<ValueType, number> = { i32: 0x7f, f32: 0x7d, v128: 0x7b };

/** LEB128, unsigned. */
function unsigned(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value >>> 0; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

/** LEB128, signed 32 bits. */
function signed(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value | 0; ; rest >>= 7) {
    const last = rest >> 6 === 0 || rest >> 6 === -1;
    if (last) return [...bytes, rest & 0x7f];
    bytes.push((rest & 0x7f) | 0x80);
  }
}

const join = (...parts: readonly Code[]): Code => parts;

/** Appends the bytes of `code` to `out`. */
function flatten(code: Code, out: number[]): number[] {
  if (typeof code === "number") out.push(code);
  else for (let i = 0; i < code.length; i++) flatten(code[i] as Code, out);
  return out;
}

const simd = (opcode: number): number[] => [0xfd, ...unsigned(opcode)];
const plain =
  (opcode: number) =>
  (...args: readonly Code[]): Code =>
    join(...args, [opcode]);
const vector =
  (opcode: number) =>
  (...args: readonly Code[]): Code =>
    join(...args, simd(opcode));
/** Alignment 2^0: WASM memory takes any address. */
const load =
  (opcode: Code) =>
  (address: Code, offset = 0): Code =>
    join(address, opcode, [0], unsigned(offset));
const store =
  (opcode: Code) =>
  (address: Code, value: Code, offset = 0): Code =>
    join(address, value, opcode, [0], unsigned(offset));
const loadLane =
  (opcode: number) =>
  (address: Code, into: Code, lane: number, offset = 0): Code =>
    join(address, into, simd(opcode), [0], unsigned(offset), [lane]);

export const get = (local: Local): Code => [0x20, ...unsigned(local.index)];
export const set = (local: Local, value: Code): Code => join(value, [0x21], unsigned(local.index));
export const tee = (local: Local, value: Code): Code => join(value, [0x22], unsigned(local.index));

export const i32 = {
  const: (value: number): Code => [0x41, ...signed(value)],
  eqz: plain(0x45),
  eq: plain(0x46),
  ne: plain(0x47),
  lt: plain(0x48),
  add: plain(0x6a),
  sub: plain(0x6b),
  mul: plain(0x6c),
  div: plain(0x6e), // unsigned
  rem: plain(0x70), // unsigned
  /** Lane 0 of four floats, towards zero, saturating. */
  truncLane: (value: Code): Code => join(value, simd(0x1f), [0, 0xfc, 0]),
  load: load([0x28]),
  load8: load([0x2d]),
  store: store([0x36]),
  atomicLoad: (address: Code): Code => join(address, [0xfe, 0x10, 2, 0]),
  atomicStore: (address: Code, value: Code): Code => join(address, value, [0xfe, 0x17, 2, 0]),
  atomicAdd: (address: Code, value: Code): Code => join(address, value, [0xfe, 0x1e, 2, 0]),
  /** Sleeps while memory holds `expected`; no time limit. */
  atomicWait: (address: Code, expected: Code): Code => join(address, expected, [0x42, 0x7f, 0xfe, 0x01, 2, 0]),
  atomicNotify: (address: Code, count: Code): Code => join(address, count, [0xfe, 0x00, 2, 0]),
} as const;

const floatBytes = (value: number): number[] => [...new Uint8Array(new Float32Array([value]).buffer)];

export const v128 = {
  load: load(simd(0x00)),
  load8x8: load(simd(0x01)), // eight signed bytes as eight int16
  load8Splat: load(simd(0x07)),
  load8Lane: loadLane(0x54),
  load32Splat: load(simd(0x09)),
  load32Zero: load(simd(0x5c)),
  load32Lane: loadLane(0x56),
  store: store(simd(0x0b)),
  store8Lane: loadLane(0x58),
  store32Lane: loadLane(0x5a),
  /** Four times the same float. */
  f32: (value: number): Code => join(simd(0x0c), ...[0, 0, 0, 0].map(() => floatBytes(value))),
  /** Four times the same whole number. */
  i32: (value: number): Code =>
    join(simd(0x0c), ...[0, 0, 0, 0].map(() => [...new Uint8Array(new Int32Array([value]).buffer)])),
  and: vector(0x4e),
  bitselect: vector(0x52), // (a, b, mask)
  /** Lanes 32 bits wide, 0 to 3 of `a`, 4 to 7 of `b`. */
  shuffle: (a: Code, b: Code, lanes: readonly [number, number, number, number]): Code =>
    join(
      a,
      b,
      simd(0x0d),
      lanes.flatMap((lane) => [0, 1, 2, 3].map((byte) => lane * 4 + byte)),
    ),
} as const;

export const f32x4 = {
  splat: vector(0x13),
  eq: vector(0x41),
  lt: vector(0x43),
  trunc: vector(0x69),
  nearest: vector(0x6a),
  abs: vector(0xe0),
  neg: vector(0xe1),
  sqrt: vector(0xe3),
  add: vector(0xe4),
  sub: vector(0xe5),
  mul: vector(0xe6),
  div: vector(0xe7),
  min: vector(0xe8),
  max: vector(0xe9),
  /** b < a ? b : a, and a < b ? b : a: one instruction where min and max, careful with NaN and −0, are eight on x86. */
  pmin: vector(0xea),
  pmax: vector(0xeb),
  convertI32: vector(0xfa),
  relaxedMadd: vector(0x105), // a * b + c
} as const;

export const i32x4 = {
  splat: vector(0x11),
  shl: (value: Code, bits: number): Code => join(value, i32.const(bits), simd(0xab)),
  add: vector(0xae),
  sub: vector(0xb1),
  mul: vector(0xb5),
  truncSat: vector(0xf8),
  extendLowI16: vector(0xa7), // signed
  extendLowU16: vector(0xa9),
  /** Sum of four products of signed bytes in `a` and 7-bit bytes in `b`, added to `c`. */
  relaxedDot: vector(0x113),
  dotI16: vector(0xba),
} as const;

export const i16x8 = {
  narrowI32: vector(0x85), // signed, saturating
  extendLowI8: vector(0x87), // signed
  extendHighI8: vector(0x88),
  extendLowU8: vector(0x89),
} as const;
export const i8x16 = { narrowI16: vector(0x65), narrowU16: vector(0x66) } as const; // saturating

/** A function under construction: statements are added one after the other. */
export class Func {
  private readonly code: number[] = [];
  private readonly locals: ValueType[] = [];
  readonly params: readonly Local[];

  /** @param parameters how many i32 it takes; it gives nothing back */
  constructor(readonly parameters: number) {
    this.params = Array.from({ length: parameters }, (_, index) => ({ index, type: "i32" }));
  }

  param(index: number): Local {
    return this.params[index] as Local;
  }

  local(type: ValueType): Local {
    this.locals.push(type);
    return { index: this.parameters + this.locals.length - 1, type };
  }

  /** A new local that holds `value`. */
  let(type: ValueType, value: Code): Local {
    const local = this.local(type);
    this.add(set(local, value));
    return local;
  }

  add(...statements: readonly Code[]): void {
    for (const statement of statements) flatten(statement, this.code);
  }

  /** local += value */
  advance(local: Local, value: Code): void {
    this.add(set(local, i32.add(get(local), value)));
  }

  if(condition: Code, then: () => void): void {
    this.add(condition, [0x04, 0x40]);
    then();
    this.add([0x0b]);
  }

  ifElse(condition: Code, then: () => void, otherwise: () => void): void {
    this.add(condition, [0x04, 0x40]);
    then();
    this.add([0x05]);
    otherwise();
    this.add([0x0b]);
  }

  /** Runs `body` until `again`, evaluated after it, is zero. */
  repeat(body: () => void, again: () => Code): void {
    this.add([0x03, 0x40]);
    body();
    this.add(again(), [0x0d, 0, 0x0b]);
  }

  /** `body` for index = from, from + step, … below `to`. */
  range(index: Local, from: Code, to: Code, step: number, body: () => void): void {
    this.add(set(index, from));
    this.if(i32.lt(get(index), to), () =>
      this.repeat(
        () => {
          body();
          this.advance(index, i32.const(step));
        },
        () => i32.lt(get(index), to),
      ),
    );
  }

  /** `body` exactly `count` times, 1 or more. */
  times(count: number, body: () => void): void {
    if (count === 1) {
      body();
      return;
    }
    const left = this.let("i32", i32.const(count));
    this.repeat(body, () => tee(left, i32.sub(get(left), i32.const(1))));
  }

  call(target: number, ...args: readonly Code[]): void {
    this.add(...args, [0x10], unsigned(target));
  }

  /** The function's body as the module's code section holds it. */
  body(): number[] {
    const locals = this.locals.flatMap((type) => [1, TYPES[type]]);
    const header = [...unsigned(this.locals.length), ...locals];
    return flatten([unsigned(header.length + this.code.length + 1), header, this.code, 0x0b], []);
  }
}

export interface Memory {
  readonly pages: number; // of 64 KiB
  readonly shared: boolean;
}

/** A module over an imported memory `env.memory`. */
export class Module {
  private readonly bodies: number[][] = [];
  private readonly parameters: number[] = [];
  private readonly exports: { readonly name: string; readonly index: number }[] = [];
  private readonly known = new Map<string, number>();

  /** Gives the function's index; two functions of the same code are one. */
  define(func: Func, exported?: string): number {
    const body = func.body();
    const key = `${func.parameters}:${String.fromCharCode(...body.slice(0, 60000))}`;
    const twin = body.length < 60000 ? this.known.get(key) : undefined;
    const index = twin ?? this.bodies.push(body) - 1;
    if (twin === undefined) {
      this.parameters.push(func.parameters);
      this.known.set(key, index);
    }
    if (exported) this.exports.push({ name: exported, index });
    return index;
  }

  bytes({ pages, shared }: Memory): Uint8Array<ArrayBuffer> {
    const section = (id: number, entries: readonly Code[]): Code => {
      const contents = flatten([unsigned(entries.length), entries], []);
      return [id, unsigned(contents.length), contents];
    };
    const text = (value: string): Code => {
      const bytes = new TextEncoder().encode(value);
      return [...unsigned(bytes.length), ...bytes];
    };
    const counts = [...new Set(this.parameters)];
    const types = counts.map((count) => [0x60, ...unsigned(count), ...Array<number>(count).fill(0x7f), 0]);
    const limits = [shared ? 3 : 1, ...unsigned(pages), ...unsigned(pages)];
    const sections = [
      section(1, types),
      section(2, [[text("env"), text("memory"), 2, ...limits]]),
      section(
        3,
        this.parameters.map((count) => unsigned(counts.indexOf(count))),
      ),
      section(
        7,
        this.exports.map(({ name, index }) => [text(name), 0, unsigned(index)]),
      ),
      section(10, this.bodies),
    ];
    return new Uint8Array(flatten([[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0], sections], []));
  }
}
