/** Each operator, and each pattern that is fused, against onnxruntime on random numbers; the edges of the kernels' tiles included. */
import v8 from "node:v8";
import * as ort from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { compile } from "./compile";
import { createMachine } from "./machine";
import type { InstructionSet } from "./math";
import type { Attribute, Constant } from "./onnx";
import { type FixtureGraph, type FixtureNode, type FixtureTensor, writeOnnx } from "./onnx.fixture";

v8.setFlagsFromString("--experimental-wasm-relaxed-simd");

/** Uniform numbers in [-1, 1], the same on every run. */
function uniform(seed: number) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (2 * state) / 0x7fffffff - 1;
  };
}

const sizeOf = (shape: readonly number[]) => shape.reduce((size, side) => size * side, 1);
const float = (...shape: number[]): FixtureTensor => ({ kind: "float32", shape });
const weights = (seed: number, ...shape: number[]): Constant => {
  const next = uniform(seed);
  return { shape, data: Float32Array.from({ length: sizeOf(shape) }, next) };
};
const scalar = (value: number): Constant => ({ shape: [], data: Float32Array.of(value) });
const whole = (...values: number[]): Constant => ({ shape: [values.length], data: Int32Array.from(values) });
const index = (value: number): Constant => ({ shape: [], data: Int32Array.of(value) });
const node = (
  operator: string,
  inputs: string,
  outputs: string,
  attributes: Record<string, Attribute> = {},
): FixtureNode => ({ operator, inputs: inputs.split(" "), outputs: outputs.split(" "), attributes });

function feedOf({ kind, shape }: FixtureTensor, seed: number) {
  const next = uniform(seed);
  const length = sizeOf(shape);
  if (kind === "float32") return Float32Array.from({ length }, () => 3 * next());
  if (kind === "int32" && length === 1) return Int32Array.of(4 * (seed - 2)); // bounds of a clip: 0 and 4
  if (kind === "int32") return Int32Array.from({ length }, (_, i) => (i % 4 === 3 ? -1 : i));
  return Uint8Array.from({ length }, (_, i) => (i * 37) % 256);
}

/** Largest difference from onnxruntime, over its largest value; of bytes, in steps. */
async function difference(graph: FixtureGraph, set: InstructionSet): Promise<number> {
  const file = writeOnnx(graph);
  const session = await ort.InferenceSession.create(file, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const machine = await createMachine(compile(file, set));
  const feeds: Record<string, ort.Tensor> = {};
  Object.entries(graph.inputs).forEach(([name, tensor], i) => {
    const data = feedOf(tensor, i + 1);
    feeds[name] = new ort.Tensor(tensor.kind, data, [...tensor.shape]);
    machine.inputs.get(name)?.set(data);
  });
  machine.run();
  machine.run(); // what a run leaves behind must not change the next one
  const expected = await session.run(feeds);
  await session.release();
  let worst = 0;
  for (const [name, { kind }] of Object.entries(graph.outputs)) {
    const wanted = (expected[name] as ort.Tensor).data as Float32Array;
    const found = machine.outputs.get(name) as Float32Array;
    expect(found.length).toBe(wanted.length);
    const largest = kind === "float32" ? wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3) : 1;
    wanted.forEach((value, i) => {
      const apart = Math.abs(value - (found[i] as number)) / largest;
      worst = Math.max(worst, apart); // NaN stays
    });
  }
  return worst;
}

const CLOSE = 4e-6;

async function agrees(graph: FixtureGraph, bound = CLOSE): Promise<void> {
  expect(await difference(graph, "simd")).toBeLessThan(bound);
  expect(await difference(graph, "relaxed-simd")).toBeLessThan(bound);
}

const SHAPES = [[1], [3], [4], [2, 5], [3, 1, 8], [2, 3, 4, 7]];

describe("element by element", () => {
  test.each(["Relu", "Sigmoid", "Tanh", "Exp", "Neg", "Identity"])("%s", async (operator) => {
    for (const shape of SHAPES) {
      const tensor = float(...shape);
      await agrees({ nodes: [node(operator, "x", "y")], inputs: { x: tensor }, outputs: { y: tensor } });
    }
  });

  test("Sigmoid and Exp far from zero", async () => {
    const constants = { far: scalar(40) };
    const nodes = [node("Mul", "x far", "z"), node("Sigmoid", "z", "y"), node("Tanh", "z", "t")];
    await agrees({ nodes, constants, inputs: { x: float(64) }, outputs: { y: float(64), t: float(64) } });
  });

  test.each(["Add", "Sub", "Mul", "Min", "Max"])("%s, broadcast", async (operator) => {
    const pairs = [
      [[4], [4], [4]],
      [[2, 3, 5], [5], [2, 3, 5]],
      [
        [2, 1, 5],
        [3, 1],
        [2, 3, 5],
      ],
      [
        [1, 6, 3, 3],
        [6, 1, 1],
        [1, 6, 3, 3],
      ],
      [[7], [1], [7]],
    ] as const;
    for (const [a, b, y] of pairs) {
      await agrees({
        nodes: [node(operator, "a b", "y")],
        inputs: { a: float(...a), b: float(...b) },
        outputs: { y: float(...y) },
      });
    }
  });

  test("division and square root, as a norm writes them", async () => {
    for (const [rows, width] of [
      [1, 4],
      [5, 6],
      [16, 48],
    ] as const) {
      const nodes = [
        node("Pow", "x two", "square"),
        node("ReduceMean", "square last", "mean", { keepdims: 1 }),
        node("Add", "mean epsilon", "sum"),
        node("Sqrt", "sum", "root"),
        node("Div", "x root", "unit"),
        node("Mul", "unit weight", "scaled"),
        node("Add", "shift one", "factor"),
        node("Mul", "scaled factor", "modulated"),
        node("Add", "modulated shift", "y"),
      ];
      await agrees({
        nodes,
        constants: {
          two: scalar(2),
          one: scalar(1),
          epsilon: scalar(1e-6),
          last: whole(-1),
          weight: weights(3, width),
        },
        inputs: { x: float(1, rows, width), shift: float(1, 1, width) },
        outputs: { y: float(1, rows, width) },
      });
    }
  });

  test("means over channels, over pixels and over everything", async () => {
    for (const axes of [[1], [2, 3], [1, 2, 3], [2]]) {
      const shape = [1, 6, 3, 5].map((size, axis) => (axes.includes(axis) ? 1 : size));
      await agrees({
        nodes: [node("ReduceMean", "x axes", "y", { keepdims: 1 })],
        constants: { axes: whole(...axes) },
        inputs: { x: float(1, 6, 3, 5) },
        outputs: { y: float(...shape) },
      });
    }
  });

  test("Clip, Where and Less with int32 ages; casts to bytes and back", async () => {
    await agrees({
      nodes: [
        node("Less", "age zero", "empty"),
        node("Where", "empty low none", "bias"),
        node("Clip", "age zero most", "clamped"),
        node("Cast", "clamped", "whole", { to: 1 }),
        node("Add", "whole bias", "y"),
      ],
      constants: { low: scalar(-1e4), none: scalar(0) },
      inputs: {
        age: { kind: "int32", shape: [9] },
        zero: { kind: "int32", shape: [] },
        most: { kind: "int32", shape: [] },
      },
      outputs: { y: float(9) },
    });
    await agrees({
      nodes: [node("Cast", "x", "f", { to: 1 }), node("Div", "f full", "g"), node("Sub", "g half", "y")],
      constants: { full: scalar(255), half: scalar(0.5) },
      inputs: { x: { kind: "uint8", shape: [3, 5, 3] } },
      outputs: { y: float(3, 5, 3) },
    });
    const bytes: FixtureTensor = { kind: "uint8", shape: [3, 7, 4] };
    const painted = [
      node("Clip", "x low high", "c"),
      node("Mul", "c full", "m"),
      node("Add", "m half", "a"),
      node("Cast", "a", "y", { to: 2 }),
    ];
    const constants = { low: scalar(0), high: scalar(1), full: scalar(255), half: scalar(0.5) };
    await agrees({ nodes: painted, constants, inputs: { x: float(3, 7, 4) }, outputs: { y: bytes } }, 1.5);
  });
});

describe("moving elements", () => {
  test("Reshape, Transpose, Unsqueeze, Squeeze, Split, Slice, Concat, Gather, Expand", async () => {
    await agrees({
      nodes: [
        node("Reshape", "x cells", "a"),
        node("Transpose", "a", "b", { perm: [0, 3, 1, 4, 2, 5] }),
        node("Reshape", "b grid", "c"),
        node("Relu", "c", "y"),
        node("Split", "x parts", "p q", { axis: 2 }),
        node("Unsqueeze", "q one", "u"),
        node("Squeeze", "u one", "v"),
        node("Concat", "v p", "z", { axis: -1 }),
        node("Slice", "x from to last", "s"),
        node("Gather", "x second", "row", { axis: 1 }),
        node("Expand", "row wide", "e"),
      ],
      constants: {
        cells: whole(1, 2, 2, 4, 3, 3),
        grid: whole(1, 4, 6, 6),
        parts: whole(16, 20),
        one: whole(1),
        from: whole(3),
        to: whole(2147483647),
        last: whole(2),
        second: index(1),
        wide: whole(3, 1, 36),
      },
      inputs: { x: float(1, 4, 36) },
      outputs: { y: float(1, 4, 6, 6), z: float(1, 4, 36), s: float(1, 4, 33), e: float(3, 1, 36) },
    });
  });

  test.each(["CRD", "DCR"])("DepthToSpace %s", async (mode) => {
    for (const block of [2, 4]) {
      await agrees({
        nodes: [node("DepthToSpace", "x", "y", { blocksize: block, mode })],
        inputs: { x: float(1, 3 * block ** 2, 5, 6) },
        outputs: { y: float(1, 3, 5 * block, 6 * block) },
      });
    }
  });

  test("a reshape that no stride can follow is copied", async () => {
    await agrees({
      nodes: [
        node("Transpose", "x", "t", { perm: [1, 0] }),
        node("Reshape", "t flat", "f"),
        node("Reshape", "f odd", "y"),
      ],
      constants: { flat: whole(30), odd: whole(3, 10) },
      inputs: { x: float(5, 6) },
      outputs: { y: float(3, 10) },
    });
  });

  test("GatherND looks rows up; indices outside the table stay inside it", async () => {
    await agrees({
      nodes: [
        node("Clip", "age low high", "a"),
        node("Cast", "a", "l", { to: 7 }),
        node("Unsqueeze", "l one", "i"),
        node("GatherND", "table i", "y"),
      ],
      constants: { table: weights(9, 5, 3), one: whole(-1) },
      inputs: {
        age: { kind: "int32", shape: [6] },
        low: { kind: "int32", shape: [] },
        high: { kind: "int32", shape: [] },
      },
      outputs: { y: float(6, 3) },
    });
  });
});

describe("pictures at other places", () => {
  test("Softmax over channels", async () => {
    await agrees({
      nodes: [node("Softmax", "x", "y", { axis: 1 })],
      inputs: { x: float(1, 3, 5, 7) },
      outputs: { y: float(1, 3, 5, 7) },
    });
  });

  test.each([1, 3])("Resize of %i channels by linear interpolation", async (channels) => {
    const linear = { mode: "linear", coordinate_transformation_mode: "half_pixel" };
    const scales: Constant = { shape: [4], data: Float32Array.of(1, 1, 4, 2) };
    await agrees({
      nodes: [{ operator: "Resize", inputs: ["x", "", "scales"], outputs: ["y"], attributes: linear }],
      constants: { scales },
      inputs: { x: float(1, channels, 6, 5) },
      outputs: { y: float(1, channels, 24, 10) },
    });
  });

  const samplings = [2, 3, 6].flatMap((channels) => ["linear", "cubic"].map((mode) => ({ channels, mode })));
  test.each(samplings)(
    "GridSample of $channels channels, $mode, places outside included",
    async ({ channels, mode }) => {
      await agrees(
        {
          nodes: [
            node("Transpose", "g", "grid", { perm: [0, 2, 3, 1] }),
            node("GridSample", "x grid", "y", { mode, padding_mode: "border", align_corners: 0 }),
          ],
          inputs: { x: float(1, channels, 9, 7), g: float(1, 2, 12, 10) },
          outputs: { y: float(1, channels, 12, 10) },
        },
        2e-5,
      );
    },
  );
});

describe("products", () => {
  const sizes = [
    [1, 1, 1],
    [1, 3, 5],
    [4, 96, 17],
    [16, 256, 96],
    [7, 33, 12],
    [13, 20, 31],
    [36, 64, 64],
  ] as const;

  test("MatMul by weights, with bias and residual", async () => {
    for (const [rows, depth, columns] of sizes) {
      const nodes = [
        node("MatMul", "x w", "m"),
        node("Add", "m bias", "a"),
        node("Mul", "a gate", "g"),
        node("Add", "r g", "y"),
      ];
      await agrees({
        nodes,
        constants: { w: weights(1, depth, columns), bias: weights(2, columns) },
        inputs: { x: float(1, rows, depth), r: float(1, rows, columns), gate: float(1, 1, columns) },
        outputs: { y: float(1, rows, columns) },
      });
    }
  });

  test("Gemm, either side transposed", async () => {
    for (const [rows, depth, columns] of sizes) {
      for (const [transA, transB] of [[0, 1] as const, [1, 0] as const]) {
        await agrees({
          nodes: [node("Gemm", "x w bias", "y", { transA, transB })],
          constants: { w: transB ? weights(1, columns, depth) : weights(1, depth, columns), bias: weights(2, columns) },
          inputs: { x: transA ? float(depth, rows) : float(rows, depth) },
          outputs: { y: float(rows, columns) },
        });
      }
    }
  });

  test("MatMul of two inputs, in batches", async () => {
    for (const [rows, depth, columns] of sizes) {
      await agrees({
        nodes: [
          node("MatMul", "a b", "y"),
          node("MatMul", "a c", "d"),
          node("Transpose", "d", "z", { perm: [0, 2, 1] }),
        ],
        inputs: { a: float(2, rows, depth), b: float(2, depth, columns), c: float(2, depth, 3) },
        outputs: { y: float(2, rows, columns), z: float(2, 3, rows) },
      });
    }
  });

  test("SiLU gate between two products, one of them read twice", async () => {
    await agrees({
      nodes: [
        node("MatMul", "x up", "h"),
        node("Split", "h", "a b", { axis: 2, num_outputs: 2 }),
        node("Sigmoid", "a", "s"),
        node("Mul", "a s", "silu"),
        node("Mul", "silu b", "g"),
        node("MatMul", "g down", "y"),
      ],
      constants: { up: weights(1, 24, 40), down: weights(2, 20, 24) },
      inputs: { x: float(1, 6, 24) },
      outputs: { y: float(1, 6, 24) },
    });
  });

  test.each([
    { tokens: 16, slots: 12, heads: 2, group: 4, head: 32 },
    { tokens: 1, slots: 3, heads: 1, group: 1, head: 4 },
    { tokens: 5, slots: 2, heads: 3, group: 2, head: 6 },
  ])("attention over a ring of $slots slots of $tokens tokens", async ({ tokens, slots, heads, group, head }) => {
    const width = heads * head;
    const queries = group * tokens;
    const all = (slots + 1) * tokens;
    await agrees({
      nodes: [
        node("Gather", "kv zero", "keys", { axis: 1 }),
        node("Gather", "kv first", "values", { axis: 1 }),
        node("Reshape", "keys rows", "k0"),
        node("Reshape", "values rows", "v0"),
        node("Concat", "k0 k", "k1", { axis: 1 }),
        node("Concat", "v0 v", "v1", { axis: 1 }),
        node("Reshape", "k1 split", "k2"),
        node("Reshape", "v1 split", "v2"),
        node("Transpose", "k2", "kt", { perm: [0, 2, 3, 1] }),
        node("Transpose", "v2", "vt", { perm: [0, 2, 1, 3] }),
        node("Reshape", "q qsplit", "q1"),
        node("Transpose", "q1", "q2", { perm: [0, 2, 3, 1, 4] }),
        node("Reshape", "q2 qrows", "q3"),
        node("MatMul", "q3 kt", "logits"),
        node("Div", "logits root", "scaled"),
        node("Add", "scaled bias", "biased"),
        node("Softmax", "biased", "p", { axis: -1 }),
        node("MatMul", "p vt", "mixed"),
        node("Reshape", "mixed msplit", "m1"),
        node("Transpose", "m1", "m2", { perm: [0, 3, 1, 2, 4] }),
        node("Reshape", "m2 out", "y"),
      ],
      constants: {
        zero: index(0),
        first: index(1),
        rows: whole(1, slots * tokens, width),
        split: whole(1, all, heads, head),
        qsplit: whole(1, tokens, heads, group, head),
        qrows: whole(1, heads, queries, head),
        root: scalar(Math.sqrt(head)),
        msplit: whole(1, heads, group, tokens, head),
        out: whole(1, tokens, heads * group * head),
      },
      inputs: {
        kv: float(slots, 2, tokens, width),
        k: float(1, tokens, width),
        v: float(1, tokens, width),
        q: float(1, tokens, heads * group * head),
        bias: float(heads, queries, all),
      },
      outputs: { y: float(1, tokens, heads * group * head) },
    });
  });
});

describe("int8 is off by less than a hundredth", () => {
  const product = (rows: number, depth: number, columns: number): FixtureGraph => ({
    nodes: [node("MatMul", "x w", "m"), node("Add", "m bias", "y"), node("MatMul", "y last", "z")],
    constants: { w: weights(1, depth, columns), bias: weights(2, columns), last: weights(3, columns, 8) },
    inputs: { x: float(1, rows, depth) },
    outputs: { y: float(1, rows, columns), z: float(1, rows, 8) },
  });
  const conv = (channels: number, filters: number, side: number): FixtureGraph => ({
    nodes: [
      node("Conv", "x w bias", "y", { pads: [1, 1, 1, 1], kernel_shape: [3, 3] }),
      node("Conv", "y last", "z", { kernel_shape: [1, 1] }),
    ],
    constants: {
      w: weights(1, filters, channels, 3, 3),
      bias: weights(2, filters),
      last: weights(3, 8, filters, 1, 1),
    },
    inputs: { x: float(1, channels, side, side) },
    outputs: { y: float(1, filters, side, side), z: float(1, 8, side, side) },
  });
  test.each([
    ["4 × 8 by 4", product(4, 8, 4)],
    ["9 × 32 by 20", product(9, 32, 20)],
    ["16 × 256 by 384", product(16, 256, 384)],
    ["16 × 640 by 30", product(16, 640, 30)],
    ["a convolution in tiles of 4", conv(16, 20, 12)],
    ["a convolution in tiles of 2", conv(8, 12, 6)],
  ])("%s", async (_, graph) => {
    const results: Float32Array[] = [];
    for (const [set, precision] of [
      ["simd", "float32"],
      ["simd", "int8"],
      ["relaxed-simd", "int8"],
    ] as const) {
      const machine = await createMachine(compile(writeOnnx(graph), set, precision));
      machine.inputs.get("x")?.set(feedOf(graph.inputs.x as FixtureTensor, 1));
      machine.run();
      results.push((machine.outputs.get("y") as Float32Array).slice());
    }
    const [exact, rounded, relaxed] = results as [Float32Array, Float32Array, Float32Array];
    const power = (of: (i: number) => number) => exact.reduce((sum, _, i) => sum + of(i) ** 2, 0);
    const distance = (other: Float32Array) =>
      Math.sqrt(power((i) => (exact[i] as number) - (other[i] as number)) / power((i) => exact[i] as number));
    expect(distance(rounded)).toBeGreaterThan(0); // it did run in whole numbers
    expect(distance(rounded)).toBeLessThan(0.01);
    expect(distance(relaxed)).toBeLessThan(0.01); // multiplications around the products are fused there
  });
});

test("int8 leaves alone the products that no other follows", async () => {
  const graph: FixtureGraph = {
    nodes: [node("Conv", "x w", "h", { pads: [1, 1, 1, 1], kernel_shape: [3, 3] }), node("Relu", "h", "y")],
    constants: { w: weights(1, 12, 8, 3, 3) },
    inputs: { x: float(1, 8, 12, 12) },
    outputs: { y: float(1, 12, 12, 12) },
  };
  const programs = (["float32", "int8"] as const).map((precision) => compile(writeOnnx(graph), "simd", precision));
  const labels = programs.map(({ steps }) => steps.map(({ phase, label }) => `${phase} ${label}`));
  expect(labels[1]).toEqual(labels[0]);
});

describe("convolutions", () => {
  const cases = [
    { name: "1 × 1", c: 8, n: 12, h: 5, w: 5, k: 1, pad: 0, step: 1, apart: 1 },
    { name: "3 × 3 in tiles of 4", c: 16, n: 24, h: 12, w: 12, k: 3, pad: 1, step: 1, apart: 1 },
    { name: "3 × 3 in tiles of 2", c: 12, n: 8, h: 6, w: 10, k: 3, pad: 1, step: 1, apart: 1 },
    { name: "3 × 3 of odd size", c: 4, n: 8, h: 7, w: 5, k: 3, pad: 1, step: 1, apart: 1 },
    { name: "3 × 3 of odd channels", c: 3, n: 5, h: 8, w: 8, k: 3, pad: 1, step: 1, apart: 1 },
    { name: "strided and dilated", c: 6, n: 7, h: 11, w: 9, k: 3, pad: 2, step: 2, apart: 2 },
    { name: "of one pixel", c: 5, n: 3, h: 1, w: 1, k: 3, pad: 1, step: 1, apart: 1 },
  ];
  test.each(cases)("$name", async ({ c, n, h, w, k, pad, step, apart }) => {
    const size = (side: number) => Math.floor((side + 2 * pad - (k - 1) * apart - 1) / step) + 1;
    const out = float(1, n, size(h), size(w));
    await agrees(
      {
        nodes: [
          node("Relu", "x", "a"),
          node("Conv", "a w b", "m", {
            pads: [pad, pad, pad, pad],
            strides: [step, step],
            dilations: [apart, apart],
            kernel_shape: [k, k],
          }),
          node("Add", "r m", "y"),
        ],
        constants: { w: weights(1, n, c, k, k), b: weights(2, n) },
        inputs: { x: float(1, c, h, w), r: out },
        outputs: { y: out },
      },
      2e-5,
    );
  });

  test.each([1, 3])("of %i × the same on pixels folded into channels", async (k) => {
    const border = (k - 1) / 2;
    await agrees(
      {
        nodes: [
          node("Reshape", "x split", "a"),
          node("Transpose", "a", "b", { perm: [0, 1, 3, 5, 2, 4] }),
          node("Reshape", "b folded", "c"),
          node("Conv", "c w bias", "y", { pads: [border, border, border, border], kernel_shape: [k, k] }),
        ],
        constants: {
          split: whole(1, 2, 6, 2, 6, 2),
          folded: whole(1, 8, 6, 6),
          w: weights(1, 5, 8, k, k),
          bias: weights(2, 5),
        },
        inputs: { x: float(1, 2, 12, 12) },
        outputs: { y: float(1, 5, 6, 6) },
      },
      2e-5,
    );
  });

  test("a residual block: norm, SiLU, modulation, two convolutions and a pixel shuffle", async () => {
    const [c, side] = [16, 8];
    const conv = { pads: [1, 1, 1, 1], kernel_shape: [3, 3] };
    await agrees(
      {
        nodes: [
          node("Pow", "x two", "square"),
          node("ReduceMean", "square one", "mean", { keepdims: 1 }),
          node("Sqrt", "mean", "root"),
          node("Div", "x root", "unit"),
          node("Mul", "unit weight", "scaled"),
          node("Sigmoid", "scaled", "s1"),
          node("Mul", "scaled s1", "silu1"),
          node("Conv", "silu1 w1 b1", "h", conv),
          node("Mul", "h gain", "g"),
          node("Sigmoid", "g", "s2"),
          node("Mul", "g s2", "silu2"),
          node("Conv", "silu2 w2 b1", "h2", conv),
          node("Add", "x h2", "sum"),
          node("DepthToSpace", "sum", "up", { blocksize: 2, mode: "CRD" }),
          node("Conv", "up w3 b3", "y", conv),
        ],
        constants: {
          two: scalar(2),
          one: whole(1),
          weight: weights(1, c, 1, 1),
          w1: weights(2, c, c, 3, 3),
          b1: weights(3, c),
          w2: weights(4, c, c, 3, 3),
          w3: weights(5, 12, c / 4, 3, 3),
          b3: weights(6, 12),
        },
        inputs: { x: float(1, c, side, side), gain: float(1, c, 1, 1) },
        outputs: { y: float(1, 12, 2 * side, 2 * side) },
      },
      2e-5,
    );
  });
});
