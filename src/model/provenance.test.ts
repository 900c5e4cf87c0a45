import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { actionsSha256, GENERATED, originOf, ownEngineOf, parseProvenance, sameEngine } from "./provenance";

interface Golden {
  readonly actions: number[][];
  readonly sha256: string;
}

it("hashes actions as Python does, to the bit", async () => {
  const goldens: Golden[] = JSON.parse(readFileSync("tests/goldens/actions-hash.json", "utf8"));
  for (const { actions, sha256 } of goldens) {
    expect(await actionsSha256(actions)).toBe(sha256);
    expect(await actionsSha256(actions.map((action) => Float32Array.from(action)))).toBe(sha256);
  }
  expect(goldens.length).toBeGreaterThan(5);
});

it("says the version of package.json", () => {
  const { version } = JSON.parse(readFileSync("package.json", "utf8"));
  const engine = { name: "own", threads: 1, machine: "wasm", precision: "int8", arithmetic: "SIMD, int8" } as const;
  const backend = { ...engine, detail: "12 ms a tick, wasm 20 ms" };
  const origin = originOf({ packageSha256: "0".repeat(64), backend }, "pong");
  expect(origin).toMatchObject({ generator: `Worldloop ${version}` });
  expect(origin.engine).toEqual(engine);
});

it("knows how to open the engine again, of early records, too", () => {
  const own = { name: "own", threads: 1 };
  expect(ownEngineOf({ ...own, machine: "webgpu", precision: "float32" })).toEqual({
    ...{ machine: "webgpu", precision: "float32" },
  });
  expect(ownEngineOf({ ...own, arithmetic: "relaxed SIMD, int8" })).toEqual({ machine: "wasm", precision: "int8" });
});

it("tells engines apart by what changes the bits", () => {
  const own = { name: "own", arithmetic: "SIMD, float32", threads: 1 };
  expect(sameEngine(own, { ...own, threads: 4 })).toBe(true); // each number is computed by one thread
  expect(sameEngine(own, { ...own, arithmetic: "SIMD, int8" })).toBe(false);
  expect(sameEngine({ name: "wasm", threads: 1 }, { name: "wasm", threads: 2 })).toBe(false);
});

it.each([
  ["shots: none, and no episodes", { shots: [] }],
  [
    "a shot that ends before it begins",
    { shots: [{ seed: 1, start: 0, from: 3, to: 2, actionsSha256: "a".repeat(64) }] },
  ],
  ["a shot without a beginning", { shots: [{ seed: 1, from: 0, to: 2, actionsSha256: "a".repeat(64) }] }],
  ["a negative seed", { shots: [{ seed: -1, start: 0, from: 0, to: 2, actionsSha256: "a".repeat(64) }] }],
  ["a camera's picture", { digitalSourceType: "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture" }],
  ["a million threads, each to be started", { engine: { name: "own", threads: 1e6 } }],
  ["a package without a hash", { packageSha256: "latest" }],
])("refuses %s", (_, change) => {
  const shots = [{ seed: 1, start: 0, from: 0, to: 2, actionsSha256: "a".repeat(64) }];
  const engine = { name: "own", threads: 1 };
  const base = {
    schema: 1,
    kind: "clip",
    generator: "x",
    digitalSourceType: GENERATED,
    world: "w",
    packageSha256: "0".repeat(64),
    engine,
    shots,
  };
  expect(parseProvenance("File", JSON.stringify({ ...base, later: "a field of a later release" })).world).toBe("w");
  expect(() => parseProvenance("File", JSON.stringify({ ...base, ...change }))).toThrow(
    expect.objectContaining({ name: "RecordingError", message: expect.stringMatching(/^File.*was changed\.$/) }),
  );
});
