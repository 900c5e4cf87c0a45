import { expect, it } from "vitest";
import { carActions } from "./car.fixture";
import { touchZones } from "./touch";

const action = (name: string, gamepad: string) => ({ ...carActions[0], name, gamepad }) as (typeof carActions)[number];
const labels = (actions: typeof carActions) => touchZones(actions).map(({ kind, label }) => `${kind}: ${label}`);

it("says what each control does", () => {
  expect(labels(carActions)).toEqual(["Left stick: steer ↔", "Button: gas", "Button: brake"]);
  const walker = [action("turn", "rightX"), action("walk", "leftYUp"), action("strafe", "leftX")];
  expect(labels(walker)).toEqual(["Left stick: walk ↕ strafe ↔", "Right stick: turn ↔"]);
  expect(labels([action("left", "leftY"), action("right", "rightY")])).toEqual([
    "Left stick: left ↕",
    "Right stick: right ↕",
  ]);
});
