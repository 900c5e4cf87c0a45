import { expect, it } from "vitest";
import { slopeOf } from "./slope";

it("finds the slope of a line, and no error where nothing is off it", () => {
  expect(slopeOf([0, 1, 2, 5].map((x) => [x, 3 * x + 7] as const))).toEqual({ slope: 3, error: 0 });
});

it("has the error of the textbook's formula", () => {
  const { slope, error } = slopeOf([
    [1, 1],
    [2, 3],
    [3, 2],
    [4, 5],
  ]);
  expect(slope).toBeCloseTo(1.1, 12); // Sxy 5.5, Sxx 5
  expect(error).toBeCloseTo(Math.sqrt(2.7 / 2 / 5), 12); // residuals −0.1, 0.8, −1.3, 0.6: 2.7
});

it("gives no error for two samples", () => {
  expect(
    slopeOf([
      [0, 1],
      [1, 2],
    ]).error,
  ).toBeNaN();
});
