/**
 * Matrix products, [batch, rows, k] × [batch, k, columns], and through their addressing convolutions and attention.
 *
 * Tiling: a workgroup of 8 × 8 threads has a tile of the result, each thread up to 4 × 4 of it, eight apart, so that
 * neighbours read and store neighbours. For a slice of k both factors' parts lie in the workgroup's memory. These matrices
 * are small: a tile is taken as large as still leaves the GPU many workgroups. Fewer than four rows (a condition) are summed
 * by 16 threads a column instead, each a share of k.
 *
 * Factors lie anywhere: where an element of a patch of pixels or of the ring of slots lies is code, not a copy. Weights are
 * packed in the order of the left factor's memory. No Winograd here: it saves multiplications, which a GPU has, and asks for
 * two more dispatches, which cost it.
 */
import type { Result, View } from "../expression";
import { kLoops, packWeights } from "../kernels/factors";
import type { Factors } from "../kernels/product";
import { type Axis, sizeOf } from "../layout";
import { addDispatch, type GpuProgram, Shader } from "./dispatch";
import { type Epilogue, planEpilogue } from "./epilogue";
import { Block, offsetAt } from "./wgsl";

/** Pieces of a factor that a shader tells apart; a file may ask for thousands. */
const MOST_PIECES = 16;
const SIDE = 8; // threads of a workgroup, both ways
const FEW_ROWS = 4;
const ENOUGH_GROUPS = 64;
const COLUMNS = 16; // of a workgroup that sums few rows, and its shares of k

interface Size {
  readonly batch: number;
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
}

export function productOf(program: GpuProgram, factors: Factors): Result | null {
  if (Math.max(factors.left.length, factors.right.length) > MOST_PIECES) return null;
  const sides = isConstant(factors.right) ? withPackedWeights(factors) : factors;
  if (!sides) return null;
  const { left, right } = sides;
  const size: Size = {
    batch: sizeOf(axisOf(left[0], 0)),
    rows: left.reduce((rows, view) => rows + sizeOf(axisOf(view, 1)), 0),
    columns: sizeOf(axisOf(right[0], 2)),
    depth: sizeOf(axisOf(left[0], 2)),
  };
  return {
    shape: [size.batch, size.rows, size.columns],
    finish(expression, target) {
      const epilogue = planEpilogue(expression, target, size.batch * size.rows * size.columns);
      if (!epilogue) return false;
      addProduct(program, factors.label, left, right, size, epilogue, target);
      return true;
    },
  };
}

const axisOf = (view: View | undefined, axis: number): Axis => view?.layout[axis] ?? [];
const isConstant = (right: readonly View[]) => right.length === 1 && right[0]?.buffer.data instanceof Float32Array;

/** Row by row of k, in the order of the left factor; null where its pieces differ in that. */
function withPackedWeights({ left, right }: Factors): Pick<Factors, "left" | "right"> | null {
  const [weights] = right as [View];
  const [loops] = kLoops(left, right, true) ?? [];
  if (!loops) return null;
  const columns = sizeOf(axisOf(weights, 2));
  const extent = { batch: sizeOf(axisOf(weights, 0)), rows: 1, columns };
  const tile = { rows: 1, vectors: Math.ceil(columns / 4) };
  const packed = packWeights(weights, loops, [...Array(columns).keys()], extent, tile)
    .rightBuffers[0] as View["buffer"];
  const wide = 4 * tile.vectors;
  const along: Axis = [...loops.outer, loops.inner].map(({ size, strides }) => ({
    size,
    stride: strides[0] as number,
  }));
  const depth = sizeOf(along);
  const axis = (size: number, stride: number): Axis => (size === 1 ? [] : [{ size, stride }]);
  return {
    left: left.map(({ layout, ...view }) => ({ ...view, layout: layout.with(2, along) })),
    right: [
      { buffer: packed, offset: 0, layout: [axis(extent.batch, depth * wide), axis(depth, wide), axis(columns, 1)] },
    ],
  };
}

function addProduct(
  program: GpuProgram,
  label: string,
  left: readonly View[],
  right: readonly View[],
  size: Size,
  epilogue: Epilogue,
  target: View,
): void {
  const shader = new Shader();
  declareFactor(shader, "left", "b: u32, r: u32, k: u32", left, ["b", "r", "k"], 1);
  declareFactor(shader, "right", "b: u32, k: u32, c: u32", right, ["b", "k", "c"], 1);
  epilogue.declare(shader);
  const { batch, rows, columns, depth } = size;
  const { workgroups, threads } = rows < FEW_ROWS ? emitFewRows(shader, size) : emitTiles(shader, size);
  addDispatch(program, shader, {
    phase: "product",
    label,
    workgroups,
    threads,
    reads: [...left, ...right, ...epilogue.loads].map(({ buffer }) => buffer),
    writes: [target.buffer],
    flops: 2 * batch * rows * columns * depth,
  });
}

/** A function that reads an element of a factor, whose pieces follow each other along an axis. */
function declareFactor(
  shader: Shader,
  name: string,
  parameters: string,
  pieces: readonly View[],
  indices: readonly string[],
  along: number,
): void {
  const block = new Block();
  let begin = 0;
  for (const [i, piece] of pieces.entries()) {
    const from = begin ? indices.with(along, `(${indices[along]} - ${begin}u)`) : indices;
    begin += sizeOf(axisOf(piece, along));
    const value = `return ${shader.at(piece, offsetAt(piece.layout, from))};`;
    block.lines.push(i === pieces.length - 1 ? value : `if (${indices[along]} < ${begin}u) { ${value} }`);
  }
  shader.declarations.push(`fn ${name}(${parameters}) -> f32 {\n${block.lines.join("\n")}\n}`);
}

function emitFewRows(shader: Shader, { batch, rows, columns, depth }: Size) {
  const across = Math.ceil(columns / COLUMNS);
  const threads = COLUMNS ** 2;
  shader.declarations.push(`var<workgroup> sums: array<f32, ${threads}>;`);
  shader.main.lines.push(
    `let c = group % ${across}u * ${COLUMNS}u + thread % ${COLUMNS}u;`,
    `let r = group / ${across}u % ${rows}u;`,
    `let b = group / ${across * rows}u;`,
    "var sum = 0.0;",
    `if (c < ${columns}u) {`,
    `for (var k = thread / ${COLUMNS}u; k < ${depth}u; k += ${COLUMNS}u) { sum += left(b, r, k) * right(b, k, c); }`,
    "}",
    "sums[thread] = sum;",
    "workgroupBarrier();",
    `if (thread >= ${COLUMNS}u || c >= ${columns}u) { return; }`,
    `for (var i = 1u; i < ${COLUMNS}u; i++) { sum += sums[thread + ${COLUMNS}u * i]; }`,
    `finish((b * ${rows}u + r) * ${columns}u + c, sum);`,
  );
  return { workgroups: batch * rows * across, threads };
}

/** Rows and columns of one thread. */
const SHARES = [
  [4, 4],
  [4, 2],
  [2, 4],
  [2, 2],
  [2, 1],
  [1, 2],
  [1, 1],
] as const;

function emitTiles(shader: Shader, { batch, rows, columns, depth }: Size) {
  const groups = ([r, c]: readonly [number, number]) =>
    batch * Math.ceil(rows / (SIDE * r)) * Math.ceil(columns / (SIDE * c));
  const share = SHARES.find((candidate) => groups(candidate) >= ENOUGH_GROUPS) ?? ([1, 1] as const);
  const [down, across] = share;
  const [tall, wide] = [SIDE * down, SIDE * across];
  const slice = down * across >= 8 ? 16 : 32; // of k
  const threads = SIDE ** 2;
  const columnTiles = Math.ceil(columns / wide);
  const rowTiles = Math.ceil(rows / tall);
  const numbers = (count: number) => [...Array(count).keys()];
  const cells = numbers(down).flatMap((i) => numbers(across).map((j) => [i, j] as const));
  const fill = (array: string, width: number, indices: string, inside: string, value: string) => [
    `for (var i = thread; i < ${width * slice}u; i += ${threads}u) {`,
    indices,
    "var value = 0.0;",
    `if (${inside}) { value = ${value}; }`,
    `${array}[k * ${width}u + x] = value;`,
    "}",
  ];
  shader.declarations.push(
    `var<workgroup> lefts: array<f32, ${tall * slice}>;`,
    `var<workgroup> rights: array<f32, ${wide * slice}>;`,
  );
  shader.main.lines.push(
    `let c0 = group % ${columnTiles}u * ${wide}u;`,
    `let r0 = group / ${columnTiles}u % ${rowTiles}u * ${tall}u;`,
    `let b = group / ${columnTiles * rowTiles}u;`,
    `let row = thread / ${SIDE}u;`,
    `let column = thread % ${SIDE}u;`,
    ...cells.map(([i, j]) => `var s${i}${j} = 0.0;`),
    `for (var k0 = 0u; k0 < ${depth}u; k0 += ${slice}u) {`,
    // Left rows are mostly runs of k, right rows of columns: neighbouring threads read along them.
    ...fill(
      "lefts",
      tall,
      `let k = i % ${slice}u; let x = i / ${slice}u;`,
      `r0 + x < ${rows}u && k0 + k < ${depth}u`,
      "left(b, r0 + x, k0 + k)",
    ),
    ...fill(
      "rights",
      wide,
      `let k = i / ${wide}u; let x = i % ${wide}u;`,
      `c0 + x < ${columns}u && k0 + k < ${depth}u`,
      "right(b, k0 + k, c0 + x)",
    ),
    "workgroupBarrier();",
    `for (var k = 0u; k < ${slice}u; k++) {`,
    ...numbers(down).map((i) => `let a${i} = lefts[k * ${tall}u + row + ${SIDE * i}u];`),
    ...numbers(across).map((j) => `let b${j} = rights[k * ${wide}u + column + ${SIDE * j}u];`),
    ...cells.map(([i, j]) => `s${i}${j} += a${i} * b${j};`),
    "}",
    "workgroupBarrier();",
    "}",
    ...cells.map(
      ([i, j]) =>
        `if (r0 + row + ${SIDE * i}u < ${rows}u && c0 + column + ${SIDE * j}u < ${columns}u) { finish((b * ${rows}u + r0 + row + ${SIDE * i}u) * ${columns}u + c0 + column + ${SIDE * j}u, s${i}${j}); }`,
    ),
  );
  return { workgroups: groups(share), threads };
}
