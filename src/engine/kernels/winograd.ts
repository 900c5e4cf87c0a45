/**
 * Convolutions of 3 × 3 by Winograd's minimal filtering (Lavin & Gray 2016): F(m × m, 3 × 3) turns the sums over 9 taps for
 * m × m pixels into (m + 2)² products, 2.25 times fewer multiplications for m = 2 and 4 times for m = 4. Three steps:
 * tiles of pixels are transformed, one small matrix product for each of the (m + 2)² places, tiles are transformed back.
 * Transforms are sums and differences with constant factors over four channels at once, in registers. The weights are
 * transformed when the graph is compiled. Rounding: about 1e-6 of the largest output for m = 2, 1e-5 for m = 4.
 */
import type { Buffer, Expression, Result, View } from "../expression";
import { pending } from "../expression";
import { dense, offsetsOf } from "../layout";
import { multiplyAdd } from "../math";
import { addressOf, type Precision, type Program } from "../program";
import { type Code, Func, f32x4, get, i32, type Local, set, v128 } from "../wasm";
import { Arguments } from "./addressing";
import { type Epilogue, EpilogueCode, planEpilogue } from "./epilogue";
import { addWholeProduct, isWordQuantisable, quantisePacked } from "./int8";
import { productOf } from "./product";
import { tileFor, wholeTile } from "./tile";

type Matrix = readonly (readonly number[])[];

interface Transforms {
  readonly input: Matrix; // Bᵀ [m + 2, m + 2]
  readonly weights: Matrix; // G [m + 2, 3]
  readonly output: Matrix; // Aᵀ [m, m + 2]
}

const TRANSFORMS: Record<2 | 4, Transforms> = {
  2: {
    input: [
      [1, 0, -1, 0],
      [0, 1, 1, 0],
      [0, -1, 1, 0],
      [0, 1, 0, -1],
    ],
    weights: [
      [1, 0, 0],
      [1 / 2, 1 / 2, 1 / 2],
      [1 / 2, -1 / 2, 1 / 2],
      [0, 0, 1],
    ],
    output: [
      [1, 1, 1, 0],
      [0, 1, -1, -1],
    ],
  },
  4: {
    input: [
      [4, 0, -5, 0, 1, 0],
      [0, -4, -4, 1, 1, 0],
      [0, 4, -4, -1, 1, 0],
      [0, -2, -1, 2, 1, 0],
      [0, 2, -1, -2, 1, 0],
      [0, 4, 0, -5, 0, 1],
    ],
    weights: [
      [1 / 4, 0, 0],
      [-1 / 6, -1 / 6, -1 / 6],
      [-1 / 6, 1 / 6, -1 / 6],
      [1 / 24, 1 / 12, 1 / 6],
      [1 / 24, -1 / 12, 1 / 6],
      [0, 0, 1],
    ],
    output: [
      [1, 1, 1, 1, 1, 0],
      [0, 1, -1, 2, -2, 0],
      [0, 1, 1, 4, 4, 0],
      [0, 1, -1, 8, -8, 1],
    ],
  },
};

export interface Convolution {
  /** float32 [height + 2, width + 2, channels], dense, zeros around. */
  readonly input: View;
  /** float32 [filters, channels, 3, 3], constant. */
  readonly weights: View;
  readonly height: number;
  readonly width: number;
  readonly channels: number; // a multiple of 4
  readonly filters: number; // a multiple of 4
  readonly precision: Precision;
}

/** The tile that divides the picture: 4, 2, or null. */
export function winogradTile({ height, width, channels, filters }: Convolution): 2 | 4 | null {
  if (channels % 4 || filters % 4) return null;
  return ([4, 2] as const).find((m) => height % m === 0 && width % m === 0) ?? null;
}

/** Gives [1, height · width, filters]. */
export function winogradOf(program: Program, convolution: Convolution, m: 2 | 4): Result {
  const { height, width, channels, filters } = convolution;
  const side = m + 2;
  const tiles = (height / m) * (width / m);
  const scratch = (columns: number): Buffer => ({
    kind: "float32",
    size: side * side * tiles * columns,
    place: "work",
  });
  return {
    shape: [1, height * width, filters],
    finish(expression: Expression, target: View) {
      const extent = { batch: 1, rows: height * width, columns: filters };
      const epilogue = planEpilogue(expression, target, extent, true);
      if (!epilogue) return false;
      const spread: View = { buffer: scratch(channels), layout: dense([side * side, tiles, channels]), offset: 0 };
      const gathered: View = { buffer: scratch(filters), layout: dense([side * side, tiles, filters]), offset: 0 };
      const matrix = { batch: side * side, rows: tiles, columns: filters };
      const inWhole = convolution.precision === "int8" && isWordQuantisable(channels);
      const { vectors } = inWhole ? wholeTile(matrix) : tileFor(matrix, program.instructionSet);
      const wide = 4 * vectors;
      const packed = transformWeights(convolution, TRANSFORMS[m].weights, epilogue.columns, wide);
      addInputTransform(program, convolution, spread, m);
      const flops = 2 * 9 * height * width * channels * filters;
      const label = `conv ${height}×${width}`;
      if (inWhole) {
        const padded = Math.ceil(filters / wide) * wide;
        const weights = quantisePacked(packed, { depth: channels, padded, wide, batch: matrix.batch });
        const rows = Array.from({ length: matrix.batch * tiles }, (_, row) => ({
          buffer: spread.buffer,
          offset: 4 * row * channels,
        }));
        const shape = [matrix.batch, tiles, filters];
        const plain = planEpilogue(pending({ shape, finish: () => false }), gathered, matrix, false) as Epilogue;
        addWholeProduct(program, { extent: matrix, depth: channels, rows, weights, epilogue: plain, label, flops });
      } else {
        const right: View = { buffer: packed, layout: dense([side * side, channels, filters]), offset: 0 };
        const product = productOf(program, { left: [spread], right: [right], packed, flops, label });
        product?.finish(pending(product), gathered);
      }

      const args = new Arguments();
      const source = args.add(addressOf(gathered));
      const after = new EpilogueCode(program, epilogue, args);
      const func = new Func(args.parameters);
      emitOutputTransform(program, func, source, after, { m, height, width, columns: filters });
      program.steps.push({
        phase: "transform",
        label: "winograd output",
        func,
        args: args.list,
        reads: [gathered.buffer, ...epilogue.loads.map(({ buffer }) => buffer)],
        writes: [target.buffer],
        work: tiles,
        flops: 0,
        executed: 0,
      });
      return true;
    },
  };
}

/** G g Gᵀ for each channel and filter, packed: [place, panel, channel, filter of the panel]. */
function transformWeights(
  { weights, channels, filters }: Convolution,
  g: Matrix,
  order: readonly number[],
  wide: number,
): Buffer {
  const side = g.length;
  const factors = Float64Array.from(g.flat()); // [side, 3]
  const source = weights.buffer.data as Float32Array;
  const [filterAt, channelAt, downAt, acrossAt] = weights.layout.map(offsetsOf) as number[][];
  const taps = Int32Array.from((downAt as number[]).flatMap((y) => (acrossAt as number[]).map((x) => x + y))); // [3, 3]
  const matrix = Math.ceil(filters / wide) * channels * wide;
  const data = new Float32Array(side * side * matrix);
  const half = new Float64Array(3 * side); // G g, [side, 3]
  const dot = (at: number, x: number, y: number, z: number): number =>
    (factors[at] as number) * x + (factors[at + 1] as number) * y + (factors[at + 2] as number) * z;
  const block = new Float32Array(side * side * wide); // one channel of a panel, [place, filter]: written out by whole runs
  for (let first = 0, to = 0; first < filters; first += wide) {
    const count = Math.min(wide, filters - first);
    for (let c = 0; c < channels; c++, to += wide) {
      for (let f = 0; f < count; f++) {
        const filter = (filterAt as number[])[order[first + f] as number] as number;
        const base = weights.offset + filter + ((channelAt as number[])[c] as number);
        for (let x = 0; x < 3; x++) {
          const upper = source[base + (taps[x] as number)] as number;
          const middle = source[base + (taps[x + 3] as number)] as number;
          const lower = source[base + (taps[x + 6] as number)] as number;
          for (let i = 0; i < side; i++) half[3 * i + x] = dot(3 * i, upper, middle, lower);
        }
        for (let i = 0, at = f; i < side; i++) {
          const x = half[3 * i] as number;
          const y = half[3 * i + 1] as number;
          const z = half[3 * i + 2] as number;
          for (let j = 0; j < side; j++, at += wide) block[at] = dot(3 * j, x, y, z);
        }
      }
      for (let place = 0; place < side * side; place++) {
        for (let f = 0; f < wide; f++) data[place * matrix + to + f] = block[place * wide + f] as number;
      }
    }
  }
  return { kind: "float32", size: data.length, place: "constant", data };
}

/** The combination of values that a row of a transform asks for. */
function combine(program: Program, row: readonly number[], values: readonly Local[]): Code {
  let sum: Code | null = null;
  const order = row
    .map((_, i) => i)
    .sort((a, b) => Number((row[b] as number) === 1) - Number((row[a] as number) === 1));
  for (const i of order) {
    const factor = row[i] as number;
    const value = get(values[i] as Local);
    if (factor === 0) continue;
    if (!sum) sum = factor === 1 ? value : f32x4.mul(value, v128.f32(factor));
    else if (factor === 1) sum = f32x4.add(sum, value);
    else if (factor === -1) sum = f32x4.sub(sum, value);
    else sum = multiplyAdd(program.instructionSet, value, v128.f32(factor), sum);
  }
  return sum ?? v128.f32(0);
}

/** T x Tᵀ for a square of values given column by column; `place` takes the results row by row. */
function transform(
  program: Program,
  func: Func,
  t: Matrix,
  column: (j: number) => Local[],
  place: (row: number, column: number, value: Local) => void,
): void {
  const half: Local[][] = t.map(() => []);
  for (let j = 0; j < (t[0] as readonly number[]).length; j++) {
    const values = column(j);
    t.forEach((row, i) => {
      (half[i] as Local[]).push(func.let("v128", combine(program, row, values)));
    });
  }
  half.forEach((values, i) => {
    t.forEach((row, j) => {
      place(i, j, func.let("v128", combine(program, row, values)));
    });
  });
}

function addInputTransform(
  program: Program,
  { input, height, width, channels }: Convolution,
  to: View,
  m: 2 | 4,
): void {
  const side = m + 2;
  const [tilesDown, tilesAcross] = [height / m, width / m];
  const pixel = 4 * channels;
  const line = pixel * (width + 2);
  const matrix = pixel * tilesDown * tilesAcross;
  const func = new Func(4);
  const [first, last, source, target] = func.params as [Local, Local, Local, Local];
  const [tile, from, into] = [func.local("i32"), func.local("i32"), func.local("i32")];
  func.range(tile, get(first), get(last), 1, () => {
    const down = i32.mul(i32.div(get(tile), i32.const(tilesAcross)), i32.const(m * line));
    const across = i32.mul(i32.rem(get(tile), i32.const(tilesAcross)), i32.const(m * pixel));
    func.add(set(from, i32.add(get(source), i32.add(down, across))));
    func.add(set(into, i32.add(get(target), i32.mul(get(tile), i32.const(pixel)))));
    func.times(channels / 4, () => {
      transform(
        program,
        func,
        TRANSFORMS[m].input,
        (j) => Array.from({ length: side }, (_, i) => func.let("v128", v128.load(get(from), i * line + j * pixel))),
        (i, j, value) => func.add(v128.store(get(into), get(value), (i * side + j) * matrix)),
      );
      func.advance(from, i32.const(16));
      func.advance(into, i32.const(16));
    });
  });
  program.steps.push({
    phase: "transform",
    label: "winograd input",
    func,
    args: [addressOf(input), addressOf(to)],
    reads: [input.buffer],
    writes: [to.buffer],
    work: tilesDown * tilesAcross,
    flops: 0,
    executed: 0,
  });
}

interface OutputTiles {
  readonly m: 2 | 4;
  readonly height: number;
  readonly width: number;
  readonly columns: number;
}

function emitOutputTransform(
  program: Program,
  func: Func,
  source: number,
  after: EpilogueCode,
  { m, height, width, columns }: OutputTiles,
): void {
  const side = m + 2;
  const pixel = 4 * columns;
  const matrix = pixel * (height / m) * (width / m);
  const [tile, group, from] = [func.local("i32"), func.local("i32"), func.local("i32")];
  const tilesAcross = i32.const(width / m);
  func.range(tile, get(func.param(0)), get(func.param(1)), 1, () => {
    func.add(set(from, i32.add(get(func.param(source)), i32.mul(get(tile), i32.const(pixel)))));
    const down = i32.mul(i32.div(get(tile), tilesAcross), i32.const(m * width));
    const corner = func.let("i32", i32.add(down, i32.mul(i32.rem(get(tile), tilesAcross), i32.const(m))));
    const rows = Array.from({ length: m * m }, (_, p) =>
      after.row(func, i32.const(0), i32.add(get(corner), i32.const(Math.floor(p / m) * width + (p % m)))),
    );
    func.range(group, i32.const(0), i32.const(columns / 4), 1, () => {
      transform(
        program,
        func,
        TRANSFORMS[m].output,
        (j) => Array.from({ length: side }, (_, i) => func.let("v128", v128.load(get(from), (i * side + j) * matrix))),
        (i, j, value) => after.store(func, rows[i * m + j] as Local[], get(group), value, 4),
      );
      func.advance(from, i32.const(16));
    });
  });
}
