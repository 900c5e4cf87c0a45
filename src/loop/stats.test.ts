import { expect, it } from "vitest";
import { createStats, percentile } from "./stats";

const frame = { rgba: new Uint8ClampedArray(4), width: 1, height: 1, tick: 1 };
const action = new Float32Array([0]);

it("percentiles are nearest rank", () => {
  const values = [5, 1, 4, 2, 3];
  expect(percentile(values, 0.5)).toBe(3);
  expect(percentile(values, 0.95)).toBe(5);
  expect(percentile([], 0.5)).toBeNaN();
});

it("keeps the newest 2,000, counts frames a second and leaves resets out of the tick times", () => {
  const stats = createStats();
  for (let i = 0; i < 2100; i++) {
    stats.add({ frame, action, stepMs: i, inputToFrameMs: 60, missed: 3, at: i * 40 }, 40);
  }
  stats.add({ frame, action: null, stepMs: 9999, inputToFrameMs: undefined, missed: 3, at: 2100 * 40 }, 40);
  const read = stats.read();
  expect(read.tickMs).toHaveLength(2000);
  expect(read.tickMs.at(-1)).toBe(2099);
  expect(read.inputToFrameTicks[0]).toBe(1.5);
  expect(read.fps).toBeCloseTo(25, 6);
  expect(read.missed).toBe(3);
});
