import { expect, it } from "vitest";
import { createConditioning } from "./conditioning";
import { contractOf } from "./contract";
import { createFakeWorld, FAKE_MANIFEST } from "./fake-world";
import { emptyKv, writeSlot } from "./kv-window";
import { normals } from "./rng";

const action = Float32Array.of(1, 0, 0);

it("gives every input of the tick graph, in its size", async () => {
  const world = createFakeWorld();
  await world.reset({ seed: 7 });
  const inputs = createConditioning(FAKE_MANIFEST).ofStep(await world.snapshot(), action);
  const sizes = Object.fromEntries(Object.entries(inputs).map(([name, values]) => [name, values.length]));
  const { layers, tokens, width } = FAKE_MANIFEST.kv;
  sizes.kv = inputs.kv.length * layers * 2 * tokens * width;
  const expected = Object.entries(contractOf(FAKE_MANIFEST).tick.inputs);
  const size = ({ shape }: { shape: number[] }) => shape.reduce((product, side) => product * side, 1);
  expect(sizes).toEqual(Object.fromEntries(expected.map(([name, tensor]) => [name, size(tensor)])));
});

it("draws a step's noise from seed and tick, and none for the history", async () => {
  const world = createFakeWorld();
  await world.reset({ seed: 7 });
  await world.step(action);
  const state = await world.snapshot();
  const conditioning = createConditioning(FAKE_MANIFEST);
  expect(conditioning.ofStep(state, action).noise).toEqual(normals(7, 1, 4));
  expect(conditioning.ofHistory(state, state.latent, action).noise).toEqual(new Float32Array(4));
});

it("gives the window slot by slot, with ages", () => {
  const { kv } = FAKE_MANIFEST; // sink 1, memory 1, window 3
  const window = writeSlot(writeSlot(emptyKv(kv), kv, Float32Array.of(1, 2)), kv, Float32Array.of(3, 4));
  const inputs = createConditioning(FAKE_MANIFEST).ofHistory(window, new Float32Array(4), action);
  expect(inputs.kv).toEqual([Float32Array.of(1, 2), null, Float32Array.of(3, 4), null, null]);
  expect([...inputs.age]).toEqual([2, -1, 1, -1, -1]);
});
