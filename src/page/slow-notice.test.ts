import { expect, it } from "vitest";
import type { Verdict } from "../loop/pace";
import { type Circumstances, measured, reasonsFor, reopenings, speedThatHolds } from "./slow-notice";

const verdict: Verdict = { slow: "network", p50: 70, p95: 83, period: 57.14, fps: 12.2, rate: 17.5, best: 68 };
const around: Circumstances = {
  backend: { name: "own", threads: 1, machine: "wasm", precision: "float32", arithmetic: "relaxed SIMD, float32" },
  view: "WebGL",
  isIsolated: true,
  cores: 8,
  isOnBattery: false,
  hasGpu: false,
  speed: 1,
  isRecording: false,
};
const PAGE = "http://localhost/app/";
const offers = (change: Partial<Circumstances>, rest = "") =>
  reopenings({ ...around, ...change }, PAGE + rest).map(([label, href]) => `${label}: ${href.slice(PAGE.length)}`);

it("says what was measured", () => {
  expect(measured(verdict)).toBe(
    "A tick takes up to 83 ms here and may take 57: 12 of 17.5 frames a second come through.",
  );
  expect(measured({ ...verdict, slow: "page" })).toMatch(/quick enough, but the page gets to it late: 12 of 17.5/);
});

it("gives only reasons that it knows of", () => {
  expect(reasonsFor(verdict, around)).toEqual(["The network runs on one thread."]);
  expect(reasonsFor(verdict, { ...around, isIsolated: false })).toEqual([expect.stringContaining("COOP and COEP")]);
  expect(reasonsFor({ ...verdict, best: 20 }, around)[0]).toMatch(/Earlier a tick took 20 ms/);
  expect(reasonsFor({ ...verdict, slow: "page" }, { ...around, isOnBattery: true })).toEqual([
    expect.stringContaining("battery"),
  ]);
});

it.each([
  { name: "webgpu", threads: 1 },
  { name: "own", threads: 1, machine: "webgpu", precision: "float32" } as const,
])("says nothing of threads on a graphics card, and offers none: $name", (backend) => {
  expect(reasonsFor(verdict, { ...around, backend })).toEqual([]);
  expect(reasonsFor(verdict, { ...around, backend, isIsolated: false })).toEqual([]);
  expect(offers({ backend, hasGpu: true })).toEqual([]);
});

it("offers the speed that the ticks leave time for", () => {
  expect(speedThatHolds(verdict, 1)).toBe(0.5);
  expect(speedThatHolds({ ...verdict, p95: 150 }, 1)).toBe(0.25);
  expect(speedThatHolds({ ...verdict, p95: 900 }, 1)).toBe(0.25);
  expect(speedThatHolds({ ...verdict, p95: 900, period: 4 * 57.14 }, 0.25)).toBeUndefined();
});

it("reopens with what may be faster here, and never with what runs already", () => {
  expect(offers({}, "#world=pong&seed=3")).toEqual([
    "Try two threads: ?engine=own&threads=2#world=pong&seed=3",
    "Try whole numbers (int8): ?engine=own&precision=int8#world=pong&seed=3",
  ]);
  expect(offers({ cores: 2 })).toEqual(["Try whole numbers (int8): ?engine=own&precision=int8"]);
  expect(offers({ isIsolated: false, hasGpu: true })[0]).toBe("Try the graphics card: ?backend=webgpu");
  expect(offers({ backend: { name: "wasm", threads: 2 } }, "?backend=wasm")).toEqual([
    "Let the page choose the engine: ?engine=auto",
  ]);
  expect(
    offers(
      { backend: { name: "own", threads: 2, machine: "wasm", precision: "int8" } },
      "?engine=own&precision=int8&threads=2",
    ),
  ).toEqual([]);
});
