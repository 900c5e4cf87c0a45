import { expect, it } from "vitest";
import { PAD_BUTTONS } from "./pad-layout";
import { padOfControllers } from "./xr-controllers";

const controller = (handedness: XRHandedness, axes: number[], pressed: number[], mapping = "xr-standard") => ({
  handedness,
  gamepad: {
    axes,
    buttons: Array.from({ length: 7 }, (_, i) => ({
      value: Number(pressed.includes(i)),
      pressed: false,
      touched: false,
    })),
    mapping: mapping as GamepadMappingType,
  },
});
const down = (buttons: readonly number[]) => PAD_BUTTONS.filter((_, i) => (buttons[i] ?? 0) > 0);

it("puts both hands' controllers together into one pad", () => {
  const pad = padOfControllers([
    controller("right", [0, 0, 0.5, -1], [0, 4]),
    controller("left", [0, 0, -0.25, 0.75], [1, 3, 5]),
  ]);
  expect(pad?.axes).toEqual([-0.25, 0.75, 0.5, -1]);
  expect(down(pad?.buttons ?? [])).toEqual(["a", "y", "leftBumper", "rightTrigger", "menu"]);
});

it("takes a touchpad where there is no stick, and drives nothing by hands and gazes", () => {
  expect(padOfControllers([controller("left", [0.5, -0.5], [])])?.axes).toEqual([0.5, -0.5, 0, 0]);
  expect(padOfControllers([])).toBeNull();
  expect(padOfControllers([{ handedness: "none" }, { handedness: "right", gamepad: null }])).toBeNull();
  expect(padOfControllers([controller("left", [1, 1, 1, 1], [0], "")])).toBeNull();
});
