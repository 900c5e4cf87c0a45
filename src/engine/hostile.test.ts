/** Files that mean harm, or were damaged: a named error or a program that stays inside its memory, and soon. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { WorldloopError } from "../errors";
import { compile } from "./compile";
import { createMachine } from "./machine";
import { type FixtureGraph, type FixtureNode, writeOnnx } from "./onnx.fixture";

const file = (path: string) => new Uint8Array(readFileSync(fileURLToPath(new URL(`../../${path}`, import.meta.url))));
const tiny = file("tests/goldens/tiny-world/tick.onnx");
const vector = { kind: "float32", shape: [4] } as const;
const relu = (from: string, to: string): FixtureNode => ({ operator: "Relu", inputs: [from], outputs: [to] });
const graph = (nodes: FixtureNode[], more: Partial<FixtureGraph> = {}): Uint8Array =>
  writeOnnx({ nodes, inputs: { x: vector }, outputs: { y: vector }, ...more });

/** The error's name; "" when there was none. */
function refusal(bytes: Uint8Array): { name: string; message: string } {
  try {
    compile(bytes, "simd");
    return { name: "", message: "" };
  } catch (error) {
    return error as Error;
  }
}

describe("refused by name", () => {
  test("an unknown operator, and one of another domain's", () => {
    const unknown = refusal(graph([{ operator: "Einsum", inputs: ["x"], outputs: ["y"] }]));
    expect(unknown).toMatchObject({ name: "UnsupportedGraphError", message: /got "Einsum"/ });
    expect(refusal(graph([{ operator: "constructor", inputs: ["x"], outputs: ["y"] }])).name).toBe(
      "UnsupportedGraphError",
    );
  });

  test("cycles, values that nobody gives, values given twice", () => {
    expect(refusal(graph([relu("y", "z"), relu("z", "y")])).name).toBe("UnsafeGraphError");
    expect(refusal(graph([relu("nothing", "y")])).name).toBe("UnsafeGraphError");
    expect(refusal(graph([relu("x", "z")])).name).toBe("UnsafeGraphError");
    expect(refusal(graph([relu("x", "y"), relu("x", "y")])).name).toBe("UnsafeGraphError");
    expect(refusal(graph([relu("x", "x"), relu("x", "y")])).name).toBe("UnsafeGraphError");
  });

  test("shapes that overflow, are negative, or don't go together", () => {
    for (const shape of [[65536, 65536], [2 ** 31, 2 ** 31, 4], [-4], [0]]) {
      const nodes = [{ operator: "Expand", inputs: ["x", "shape"], outputs: ["y"] }];
      const constants = { shape: { shape: [shape.length], data: Int32Array.from(shape) } };
      expect(refusal(graph(nodes, { constants })).name).toMatch(/^Uns(afe|upported)GraphError$/);
      const declared = graph([relu("x", "y")], { inputs: { x: { kind: "float32", shape } } });
      expect(refusal(declared).name).toMatch(/^Uns(afe|upported)GraphError$/);
    }
    const add = { operator: "Add", inputs: ["x", "z"], outputs: ["y"] };
    const other = { x: vector, z: { kind: "float32", shape: [3] } } as const;
    expect(refusal(graph([add], { inputs: other })).name).toBe("UnsafeGraphError");
    const longer = { y: { kind: "float32", shape: [8] } } as const;
    expect(refusal(graph([relu("x", "y")], { outputs: longer })).name).toBe("UnsafeGraphError");
    const cut = { operator: "Split", inputs: ["x", "s"], outputs: ["y", "z"], attributes: { axis: 0 } };
    const sizes = { s: { shape: [2], data: Int32Array.of(8, -4) } };
    expect(refusal(graph([cut], { constants: sizes, outputs: longer })).name).toMatch(/GraphError$/);
  });

  test("constants that claim to be gigantic", () => {
    const bytes = graph([relu("x", "y")], { constants: { w: { shape: [1 << 30, 8], data: Float32Array.of(1) } } });
    expect(refusal(bytes).name).toBe("UnsafeGraphError");
  });

  test("work that takes more than its memory", () => {
    const side = 2000;
    const large = { kind: "float32", shape: [side, side] } as const;
    const names = Array.from({ length: 80 }, (_, i) => `v${i}`);
    const nodes = names.map((name) => ({ operator: "MatMul", inputs: ["x", "w"], outputs: [name] }));
    const sums = names.map((name, i) => ({ operator: "Softmax", inputs: [name], outputs: [`s${i}`] }));
    const all = { operator: "Max", inputs: sums.map(({ outputs }) => outputs[0] as string), outputs: ["y"] };
    const bytes = graph([...nodes, ...sums, all], { inputs: { x: large, w: large }, outputs: { y: large } });
    expect(refusal(bytes)).toMatchObject({ name: "UnsupportedGraphError", message: /bytes/ });
  });
});

test("a chain of many operators is compiled, not recursed into", async () => {
  const names = Array.from({ length: 3000 }, (_, i) => `v${i}`);
  const nodes = ["x", ...names].map((name, i) => relu(name, names[i] ?? "y"));
  const machine = await createMachine(compile(graph(nodes), "simd"));
  machine.inputs.get("x")?.set([-1, 2, -3, 4]);
  machine.run();
  expect([...(machine.outputs.get("y") as Float32Array)]).toEqual([0, 2, 0, 4]);
});

/** Compiles and runs; anything but success or a named error fails the test. */
async function survive(bytes: Uint8Array): Promise<boolean> {
  try {
    const machine = await createMachine(compile(bytes, "simd"));
    machine.run();
    return true;
  } catch (error) {
    if (error instanceof WorldloopError) return false;
    throw error;
  }
}

test("cut off anywhere", async () => {
  for (let length = 0; length < tiny.length; length += 97) {
    expect(await survive(tiny.subarray(0, length))).toBe(false);
  }
});

test("1,000 files with a few bytes changed", async () => {
  let state = 7;
  const below = (limit: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
  let compiled = 0;
  for (let i = 0; i < 1000; i++) {
    const bytes = tiny.slice();
    for (let change = 0; change <= below(6); change++) bytes[below(bytes.length)] = below(256);
    if (await survive(bytes)) compiled += 1;
  }
  expect(compiled).toBeGreaterThan(0);
  expect(compiled).toBeLessThan(1000);
}, 120_000);
