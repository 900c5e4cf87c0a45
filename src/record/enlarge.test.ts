import { expect, it } from "vitest";
import { enlarge, enlargement } from "./enlarge";

it("repeats every pixel", () => {
  const rgba = Uint8ClampedArray.from([1, 2, 3, 255, 4, 5, 6, 255]); // [1, 2, 4]
  const large = enlarge({ rgba, width: 2, height: 1 }, 2);
  const [a, b] = [
    [1, 2, 3, 255],
    [4, 5, 6, 255],
  ] as const;
  expect([large.width, large.height]).toEqual([4, 2]);
  expect([...large.rgba]).toEqual([a, a, b, b, a, a, b, b].flat());
});

it("chooses even factors near 512 px", () => {
  expect([enlargement(64, 64), enlargement(96, 96), enlargement(160, 120), enlargement(900, 20)]).toEqual([8, 6, 4, 2]);
});
