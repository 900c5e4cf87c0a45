/**
 * Each operator, and each pattern that is fused, on small graphs; the edges of the kernels' tiles included. Whatever runs
 * graphs is held to these, in Node and in a browser.
 */
import type { Attribute, Constant } from "./onnx";
import type { FixtureGraph, FixtureNode, FixtureTensor } from "./onnx.fixture";

export interface Pattern {
  readonly name: string;
  readonly graphs: readonly { readonly graph: FixtureGraph; readonly bound: number }[];
}
export const PATTERNS: Pattern[] = [];

/** Uniform numbers in [-1, 1], the same on every run. */
function uniform(seed: number) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (2 * state) / 0x7fffffff - 1;
  };
}

const sizeOf = (shape: readonly number[]) => shape.reduce((size, side) => size * side, 1);
export const float = (...shape: number[]): FixtureTensor => ({ kind: "float32", shape });
export const weights = (seed: number, ...shape: number[]): Constant => {
  const next = uniform(seed);
  return { shape, data: Float32Array.from({ length: sizeOf(shape) }, next) };
};
const scalar = (value: number): Constant => ({ shape: [], data: Float32Array.of(value) });
const whole = (...values: number[]): Constant => ({ shape: [values.length], data: Int32Array.from(values) });
const index = (value: number): Constant => ({ shape: [], data: Int32Array.of(value) });
export const node = (
  operator: string,
  inputs: string,
  outputs: string,
  attributes: Record<string, Attribute> = {},
): FixtureNode => ({ operator, inputs: inputs.split(" "), outputs: outputs.split(" "), attributes });

export function feedOf({ kind, shape }: FixtureTensor, seed: number) {
  const next = uniform(seed);
  const length = sizeOf(shape);
  if (kind === "float32") return Float32Array.from({ length }, () => 3 * next());
  if (kind === "int32" && length === 1) return Int32Array.of(4 * (seed - 2)); // bounds of a clip: 0 and 4
  if (kind === "int32") return Int32Array.from({ length }, (_, i) => (i % 4 === 3 ? -1 : i));
  return Uint8Array.from({ length }, (_, i) => (i * 37) % 256);
}

/** How far a result may be off, as a share of the largest; of bytes, steps. */
const CLOSE = 4e-6;
const agree = (graph: FixtureGraph, bound = CLOSE) => ({ graph, bound });
type Agreeing = Iterable<ReturnType<typeof agree>>;

let subject = "";
const describe = (name: string, patterns: () => void) => {
  subject = name;
  patterns();
};
const pattern = (name: string, graphs: () => Agreeing) => {
  PATTERNS.push({ name: `${subject}: ${name}`, graphs: [...graphs()] });
};
pattern.each =
  <T>(cases: readonly T[]) =>
  (name: string, graphs: (of: T) => Agreeing) => {
    for (const of of cases) {
      const said = (key: string) => String((of as Record<string, unknown>)[key]);
      pattern(
        name.replace(/%[si]/, String(of)).replace(/\$(\w+)/g, (_, key: string) => said(key)),
        () => graphs(of),
      );
    }
  };

const SHAPES = [[1], [3], [4], [2, 5], [3, 1, 8], [2, 3, 4, 7]];

describe("element by element", () => {
  pattern.each(["Relu", "Sigmoid", "Tanh", "Exp", "Neg", "Identity"])("%s", function* (operator) {
    for (const shape of SHAPES) {
      const tensor = float(...shape);
      yield agree({ nodes: [node(operator, "x", "y")], inputs: { x: tensor }, outputs: { y: tensor } });
    }
  });

  pattern("Sigmoid and Exp far from zero", function* () {
    const constants = { far: scalar(40) };
    const nodes = [node("Mul", "x far", "z"), node("Sigmoid", "z", "y"), node("Tanh", "z", "t")];
    yield agree({ nodes, constants, inputs: { x: float(64) }, outputs: { y: float(64), t: float(64) } });
  });

  pattern.each(["Add", "Sub", "Mul", "Min", "Max"])("%s, broadcast", function* (operator) {
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
      yield agree({
        nodes: [node(operator, "a b", "y")],
        inputs: { a: float(...a), b: float(...b) },
        outputs: { y: float(...y) },
      });
    }
  });

  pattern("division and square root, as a norm writes them", function* () {
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
      yield agree({
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

  pattern("means over channels, over pixels and over everything", function* () {
    for (const axes of [[1], [2, 3], [1, 2, 3], [2]]) {
      const shape = [1, 6, 3, 5].map((size, axis) => (axes.includes(axis) ? 1 : size));
      yield agree({
        nodes: [node("ReduceMean", "x axes", "y", { keepdims: 1 })],
        constants: { axes: whole(...axes) },
        inputs: { x: float(1, 6, 3, 5) },
        outputs: { y: float(...shape) },
      });
    }
  });

  pattern("Clip, Where and Less with int32 ages; casts to bytes and back", function* () {
    yield agree({
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
    yield agree({
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
    yield agree({ nodes: painted, constants, inputs: { x: float(3, 7, 4) }, outputs: { y: bytes } }, 1.5);
  });
});

describe("moving elements", () => {
  pattern("Reshape, Transpose, Unsqueeze, Squeeze, Split, Slice, Concat, Gather, Expand", function* () {
    yield agree({
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

  pattern.each(["CRD", "DCR"])("DepthToSpace %s", function* (mode) {
    for (const block of [2, 4]) {
      yield agree({
        nodes: [node("DepthToSpace", "x", "y", { blocksize: block, mode })],
        inputs: { x: float(1, 3 * block ** 2, 5, 6) },
        outputs: { y: float(1, 3, 5 * block, 6 * block) },
      });
    }
  });

  pattern("a reshape that no stride can follow is copied", function* () {
    yield agree({
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

  pattern("GatherND looks rows up; indices outside the table stay inside it", function* () {
    yield agree({
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
  pattern("Softmax over channels", function* () {
    yield agree({
      nodes: [node("Softmax", "x", "y", { axis: 1 })],
      inputs: { x: float(1, 3, 5, 7) },
      outputs: { y: float(1, 3, 5, 7) },
    });
  });

  pattern.each([1, 3])("Resize of %i channels by linear interpolation", function* (channels) {
    const linear = { mode: "linear", coordinate_transformation_mode: "half_pixel" };
    const scales: Constant = { shape: [4], data: Float32Array.of(1, 1, 4, 2) };
    yield agree({
      nodes: [{ operator: "Resize", inputs: ["x", "", "scales"], outputs: ["y"], attributes: linear }],
      constants: { scales },
      inputs: { x: float(1, channels, 6, 5) },
      outputs: { y: float(1, channels, 24, 10) },
    });
  });

  const samplings = [2, 3, 6].flatMap((channels) => ["linear", "cubic"].map((mode) => ({ channels, mode })));
  pattern.each(samplings)(
    "GridSample of $channels channels, $mode, places outside included",
    function* ({ channels, mode }) {
      yield agree(
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

  pattern("MatMul by weights, with bias and residual", function* () {
    for (const [rows, depth, columns] of sizes) {
      const nodes = [
        node("MatMul", "x w", "m"),
        node("Add", "m bias", "a"),
        node("Mul", "a gate", "g"),
        node("Add", "r g", "y"),
      ];
      yield agree({
        nodes,
        constants: { w: weights(1, depth, columns), bias: weights(2, columns) },
        inputs: { x: float(1, rows, depth), r: float(1, rows, columns), gate: float(1, 1, columns) },
        outputs: { y: float(1, rows, columns) },
      });
    }
  });

  pattern("Gemm, either side transposed", function* () {
    for (const [rows, depth, columns] of sizes) {
      for (const [transA, transB] of [[0, 1] as const, [1, 0] as const]) {
        yield agree({
          nodes: [node("Gemm", "x w bias", "y", { transA, transB })],
          constants: { w: transB ? weights(1, columns, depth) : weights(1, depth, columns), bias: weights(2, columns) },
          inputs: { x: transA ? float(depth, rows) : float(rows, depth) },
          outputs: { y: float(rows, columns) },
        });
      }
    }
  });

  pattern("MatMul of two inputs, in batches", function* () {
    for (const [rows, depth, columns] of sizes) {
      yield agree({
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

  pattern("SiLU gate between two products, one of them read twice", function* () {
    yield agree({
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

  pattern.each([
    { tokens: 16, slots: 12, heads: 2, group: 4, head: 32 },
    { tokens: 1, slots: 3, heads: 1, group: 1, head: 4 },
    { tokens: 5, slots: 2, heads: 3, group: 2, head: 6 },
  ])("attention over a ring of $slots slots of $tokens tokens", function* ({ tokens, slots, heads, group, head }) {
    const width = heads * head;
    const queries = group * tokens;
    const all = (slots + 1) * tokens;
    yield agree({
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
  pattern.each(cases)("$name", function* ({ c, n, h, w, k, pad, step, apart }) {
    const size = (side: number) => Math.floor((side + 2 * pad - (k - 1) * apart - 1) / step) + 1;
    const out = float(1, n, size(h), size(w));
    yield agree(
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

  pattern.each([1, 3])("of %i × the same on pixels folded into channels", function* (k) {
    const border = (k - 1) / 2;
    yield agree(
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

  pattern("a residual block: norm, SiLU, modulation, two convolutions and a pixel shuffle", function* () {
    const [c, side] = [16, 8];
    const conv = { pads: [1, 1, 1, 1], kernel_shape: [3, 3] };
    yield agree(
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
