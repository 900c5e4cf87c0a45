/** Each operator and pattern of `conformance.fixture.ts` against onnxruntime; and what int8 may cost. */
import v8 from "node:v8";
import * as ort from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { compile } from "./compile";
import { feedOf, float, node, PATTERNS, weights } from "./conformance.fixture";
import { createMachine } from "./machine";
import type { InstructionSet } from "./math";
import { type FixtureGraph, type FixtureTensor, writeOnnx } from "./onnx.fixture";

v8.setFlagsFromString("--experimental-wasm-relaxed-simd");

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

async function agrees(graph: FixtureGraph, bound: number): Promise<void> {
  expect(await difference(graph, "simd")).toBeLessThan(bound);
  expect(await difference(graph, "relaxed-simd")).toBeLessThan(bound);
}

test.each(PATTERNS)("$name", async ({ graphs }) => {
  for (const { graph, bound } of graphs) await agrees(graph, bound);
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
