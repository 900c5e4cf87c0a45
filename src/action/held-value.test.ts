import { expect, it } from "vitest";
import { createHeldValue } from "./held-value";
import { sampleSources } from "./sampler";

const spec = { min: 0, max: 1, unit: "", keys: {}, gamepad: "rightYUp" } as const;
const actions = [
  { ...spec, name: "strength", rest: 1 },
  { ...spec, name: "gas", rest: 0 },
];

it("holds what was set, and a key that goes further wins", () => {
  const held = createHeldValue(actions, 0);
  expect(held.sample()).toEqual({ action: Float32Array.of(1, 0), since: undefined });
  held.set(0.5, 7);
  expect(held.sample()).toEqual({ action: Float32Array.of(0.5, 0), since: 7 });
  held.clear();
  const key = createHeldValue(actions, 0);
  key.set(0, 9);
  expect(sampleSources(actions, [held, key])).toEqual({ action: Float32Array.of(0, 0), since: 9 });
  key.set(1, 11);
  expect(sampleSources(actions, [held, key]).action).toEqual(Float32Array.of(0.5, 0));
});
