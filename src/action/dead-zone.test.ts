import { expect, it } from "vitest";
import { radialDeadZone } from "./dead-zone";

it("is silent inside, begins at zero on the edge and reaches one at the rim", () => {
  expect(radialDeadZone(0.1, 0.1, 0.2)).toEqual([0, 0]);
  expect(radialDeadZone(0.2, 0, 0.2)).toEqual([0, 0]);
  expect(radialDeadZone(0.6, 0, 0.2)[0]).toBeCloseTo(0.5, 12);
  expect(radialDeadZone(-1, 0, 0.2)[0]).toBeCloseTo(-1, 12);
});

it("keeps the direction, small components included, and stays in the unit circle", () => {
  const [x, y] = radialDeadZone(0.8, 0.1, 0.2); // an axial zone would cut y to 0
  expect(y / x).toBeCloseTo(0.125, 12);
  expect(Math.hypot(...radialDeadZone(1, 1, 0.2))).toBeCloseTo(1, 12);
});

it("passes everything without a zone", () => {
  expect(radialDeadZone(0.3, -0.4, 0)).toEqual([0.3, -0.4]);
});
