/** The action table of a car, for tests: one two-sided action and two pedals. */
import type { ActionSpec } from "../model/manifest";

const spec = (name: string, min: number, keys: Record<string, number>, gamepad: ActionSpec["gamepad"]): ActionSpec => ({
  name,
  min,
  max: 1,
  rest: 0,
  unit: "share of full deflection",
  keys,
  gamepad,
});

export const carActions: readonly ActionSpec[] = [
  spec("steer", -1, { ArrowLeft: -1, ArrowRight: 1, KeyA: -1, KeyD: 1 }, "leftX"),
  spec("gas", 0, { ArrowUp: 1 }, "rightTrigger"),
  spec("brake", 0, { ArrowDown: 0.8 }, "leftTrigger"),
];
