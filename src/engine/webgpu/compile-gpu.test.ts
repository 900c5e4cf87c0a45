/** Shaders without a GPU: what a file may ask for, and what is refused before anything is made. What they compute: tests/browser. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { WorldloopError } from "../../errors";
import { type FixtureNode, writeOnnx } from "../onnx.fixture";
import { compileGpu } from "./compile-gpu";
import { barrenGpu } from "./gpu.fixture";
import { createGpuMachine } from "./gpu-machine";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const tiny = new Uint8Array(readFileSync(`${root}tests/goldens/tiny-world/tick.onnx`));

test("equal steps of different layers are one shader", () => {
  const { dispatches } = compileGpu(new Uint8Array(readFileSync(`${root}assets/worlds/pong/tick.onnx`)));
  expect(new Set(dispatches.map(({ code }) => code)).size).toBeLessThan(0.6 * dispatches.length);
});

test("no two buffers that are needed at once share memory, and none lies outside it", () => {
  const { dispatches, memory } = compileGpu(tiny);
  for (const { reads, writes } of dispatches) {
    for (const written of writes) {
      const [from, to] = [memory.offsetOf({ buffer: written, offset: 0 }), written.size];
      expect(from + to).toBeLessThanOrEqual(memory.memory);
      for (const read of reads) {
        if (read === written || read.data) continue;
        const begin = memory.offsetOf({ buffer: read, offset: 0 });
        expect(begin + read.size <= from || begin >= from + to).toBe(true);
      }
    }
  }
});

describe("refused by name, before anything is made", () => {
  test.each([
    ["weights", { maxStorageBufferBindingSize: 1024 }],
    ["weights", { maxBufferSize: 1024 }],
    ["addresses a step", { maxUniformBufferBindingSize: 128 }],
  ] as const)("more bytes of %s than the device has", async (what, limits) => {
    await expect(createGpuMachine(compileGpu(tiny), barrenGpu(limits))).rejects.toMatchObject({
      name: "UnsupportedGraphError",
      message: expect.stringContaining(`bytes of ${what}`),
    });
  });

  test("infinity as a number in a shader", () => {
    const nodes: FixtureNode[] = [{ operator: "Add", inputs: ["x", "c"], outputs: ["y"] }];
    const vector = { kind: "float32", shape: [4] } as const;
    const constants = { c: { shape: [], data: Float32Array.of(Number.POSITIVE_INFINITY) } };
    const file = writeOnnx({ nodes, constants, inputs: { x: vector }, outputs: { y: vector } });
    expect(() => compileGpu(file)).toThrow(/finite numbers/);
  });

  test("thousands of pieces don't make a shader of thousands of lines", () => {
    const names = Array.from({ length: 2000 }, (_, i) => `p${i}`);
    const nodes: FixtureNode[] = [
      ...names.map((name) => ({ operator: "Relu", inputs: ["x"], outputs: [name] })),
      { operator: "Concat", inputs: names, outputs: ["all"], attributes: { axis: 0 } },
      { operator: "MatMul", inputs: ["all", "w"], outputs: ["y"] },
    ];
    const w = { shape: [4, 3], data: new Float32Array(12).fill(1) };
    const file = writeOnnx({
      nodes,
      constants: { w },
      inputs: { x: { kind: "float32", shape: [1, 4] } },
      outputs: { y: { kind: "float32", shape: [2000, 3] } },
    });
    const { dispatches } = compileGpu(file);
    expect(Math.max(...dispatches.map(({ code }) => code.length))).toBeLessThan(20_000);
  });
});

test("300 files with a few bytes changed: a program or a named error", () => {
  let state = 7;
  const below = (limit: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  let refused = 0;
  for (let i = 0; i < 300; i++) {
    const bytes = tiny.slice();
    for (let change = 0; change <= below(6); change++) bytes[below(bytes.length)] = below(256);
    try {
      compileGpu(bytes);
    } catch (error) {
      if (!(error instanceof WorldloopError)) throw error;
      refused += 1;
    }
  }
  expect(refused).toBeGreaterThan(0);
  expect(refused).toBeLessThan(300);
});
