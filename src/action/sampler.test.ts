import { expect, it } from "vitest";
import { carActions } from "./car.fixture";
import { createReplay } from "./replay";
import { sampleSources } from "./sampler";
import type { InputSource } from "./source";

const source = (values: number[], since?: number): InputSource => ({
  sample: () => ({ action: Float32Array.from(values), since }),
  clear: () => undefined,
  close: () => undefined,
});

it("takes the value furthest from rest per action, in table order", () => {
  const { action } = sampleSources(carActions, [source([0.5, 0, 0.25]), source([-0.75, 1, 0])]);
  expect([...action]).toEqual([-0.75, 1, 0.25]);
});

it("clamps to the table and rests without sources", () => {
  expect([...sampleSources(carActions, [source([-3, 2, -1])]).action]).toEqual([-1, 1, 0]);
  expect([...sampleSources(carActions, []).action]).toEqual([0, 0, 0]);
});

it("reports the oldest unsampled change of all sources", () => {
  const rest = [0, 0, 0];
  expect(sampleSources(carActions, [source(rest, 30), source(rest, 20), source(rest)]).since).toBe(20);
  expect(sampleSources(carActions, [source(rest)]).since).toBeUndefined();
});

it("a replay plays by tick, then hands over", () => {
  const live = () => ({ action: Float32Array.of(9), since: undefined });
  const replay = createReplay([Float32Array.of(1), Float32Array.of(2)], live);
  expect([1, 2].map((tick) => replay.sample(tick).action[0])).toEqual([1, 2]);
  expect(replay.playing()).toBe(true);
  expect(replay.sample(3).action[0]).toBe(9);
  expect(replay.playing()).toBe(false);
});

it("a replay hands over as soon as a control is touched", () => {
  let since: number | undefined;
  const replay = createReplay([Float32Array.of(1), Float32Array.of(2)], () => ({ action: Float32Array.of(9), since }));
  replay.sample(1);
  since = 5;
  expect(replay.sample(2)).toEqual({ action: Float32Array.of(9), since: 5 });
  since = undefined;
  expect(replay.sample(2).action[0]).toBe(9);
});
