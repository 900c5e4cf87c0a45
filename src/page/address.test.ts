import { expect, it } from "vitest";
import { readAddress, strayIn } from "./address";

const read = (search: string, hash = "") => readAddress({ search, hash });

it("reads what is there and nothing else", () => {
  expect(read("")).toEqual({});
  expect(read("?follow", "#world=mine")).toEqual({ follows: true, world: "mine" });
  expect(read("?backend=wasm&threads=2", "#world=car-racing&seed=7&start=1")).toEqual({
    backend: "wasm",
    threads: 2,
    world: "car-racing",
    seed: 7,
    start: 1,
  });
});

it("says what it expected instead of guessing", () => {
  expect(read("?engine=own&precision=int8", "")).toMatchObject({ engine: "own", precision: "int8" });
  expect(() => read("?precision=half")).toThrow('expected float32 or int8, got "half"');
  expect(() => read("?engine=fast")).toThrow('expected own, ort or auto, got "fast"');
  expect(() => read("?backend=cuda")).toThrow('expected wasm or webgpu, got "cuda"');
  expect(() => read("?threads=0")).toThrow('expected a number from 1 to 99, got "0"');
  expect(() => read("", "#seed=x")).toThrow(/seed: expected a whole number/);
});

it.each(["#WORLD=pong", "#world=", "#pong", "#seed=7", "#package=&sha256=ab", "#%E0%A4%A"])(
  "says of %s what it expected: it names no world",
  (hash) => {
    expect(strayIn(hash)?.message).toBe(
      `Address: expected #world=NAME or #package=ADDRESS, got "${hash}". Correct the address, or choose a world.`,
    );
  },
);

it("takes the gallery's own address as it is, and leaves a world's to the world", () => {
  expect(["", "#", "#world=pong", "#package=w.zip"].map(strayIn)).toEqual([null, null, null, null]);
});
