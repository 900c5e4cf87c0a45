/**
 * A headset's controllers as a pad of the standard layout, so that they drive a world as any pad does. The left stick
 * pressed is the pad's menu button: sheets can't be read in a headset, but pausing works. Layout: WebXR Gamepads Module, "xr-standard".
 */
import { PAD_BUTTONS, type PadButton } from "./pad-layout";
import type { PadState } from "./pads";

type Controller = Pick<XRInputSource, "handedness"> & {
  readonly gamepad?: Pick<Gamepad, "axes" | "buttons" | "mapping"> | null | undefined;
};

/** Places in a controller's buttons → what they are on a pad. */
const BUTTONS: Record<"left" | "right", readonly (readonly [number, PadButton])[]> = {
  left: [
    [0, "leftTrigger"],
    [1, "leftBumper"],
    [3, "menu"],
    [4, "x"],
    [5, "y"],
  ],
  right: [
    [0, "rightTrigger"],
    [1, "rightBumper"],
    [4, "a"],
    [5, "b"],
  ],
};
/** Thumbsticks come after the two axes of a touchpad, whether there is one or not. */
const STICK_AXES = [2, 3] as const;

/** Null when there is no controller with buttons: hands and gazes drive nothing. */
export function padOfControllers(controllers: Iterable<Controller>): PadState | null {
  const axes = [0, 0, 0, 0];
  const buttons = PAD_BUTTONS.map(() => 0);
  let found = false;
  for (const { handedness, gamepad } of controllers) {
    if (handedness === "none" || gamepad?.mapping !== "xr-standard") continue;
    found = true;
    const offset = handedness === "left" ? 0 : 2;
    STICK_AXES.forEach((axis, i) => {
      axes[offset + i] = gamepad.axes[axis] ?? gamepad.axes[axis - 2] ?? 0; // some have a touchpad alone
    });
    for (const [place, button] of BUTTONS[handedness]) {
      buttons[PAD_BUTTONS.indexOf(button)] = gamepad.buttons[place]?.value ?? 0;
    }
  }
  return found ? { id: "Headset controllers", axes, buttons } : null;
}
