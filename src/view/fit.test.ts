import { expect, it } from "vitest";
import { fitInto } from "./fit";

it("keeps the aspect and touches the nearer pair of sides", () => {
  expect(fitInto({ width: 64, height: 64 }, { width: 390, height: 700 })).toEqual({ width: 390, height: 390 });
  expect(fitInto({ width: 160, height: 120 }, { width: 1000, height: 600 })).toEqual({ width: 800, height: 600 });
});

it("never vanishes", () => {
  expect(fitInto({ width: 64, height: 64 }, { width: 0, height: 0 })).toEqual({ width: 1, height: 1 });
});
