import { expect, it } from "vitest";
import { cropOf } from "./picture-file";

const world = { width: 96, height: 96 };

it("takes the largest part of the world's shape, where it is wanted", () => {
  expect(cropOf({ width: 400, height: 300 }, world)).toEqual({ x: 50, y: 0, width: 300, height: 300 });
  expect(cropOf({ width: 300, height: 400 }, world, 0)).toEqual({ x: 0, y: 0, width: 300, height: 300 });
  expect(cropOf({ width: 300, height: 400 }, world, 1)).toEqual({ x: 0, y: 100, width: 300, height: 300 });
  expect(cropOf({ width: 10, height: 4000 }, { width: 160, height: 90 })).toMatchObject({
    x: 0,
    width: 10,
    height: 5.625,
  });
});
