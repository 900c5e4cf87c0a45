/**
 * The W3C "standard" layout of a pad: where its sticks and buttons are in the browser's lists, and what is printed on
 * them. Pads of other layouts are not read: see `pads.ts`.
 */

/** In the order of `Gamepad.buttons`; a is the lowest of the four, whatever is printed on it. */
export const PAD_BUTTONS = [
  "a",
  "b",
  "x",
  "y",
  "leftBumper",
  "rightBumper",
  "leftTrigger",
  "rightTrigger",
  "view",
  "menu",
  "leftStick",
  "rightStick",
  "up",
  "down",
  "left",
  "right",
] as const;
export type PadButton = (typeof PAD_BUTTONS)[number];

const isPadButton = (name: string): name is PadButton => (PAD_BUTTONS as readonly string[]).includes(name);

/** A stick's axis as the manifest names it: x axis, y axis, which of the two, sign. */
export const STICKS = {
  leftX: [0, 1, 0, 1],
  leftY: [0, 1, 1, 1],
  leftYUp: [0, 1, 1, -1],
  rightX: [2, 3, 0, 1],
  rightY: [2, 3, 1, 1],
  rightYUp: [2, 3, 1, -1],
} as const;

const XBOX: Record<PadButton, string> = {
  a: "A",
  b: "B",
  x: "X",
  y: "Y",
  leftBumper: "LB",
  rightBumper: "RB",
  leftTrigger: "LT",
  rightTrigger: "RT",
  view: "View",
  menu: "Menu",
  leftStick: "Left stick pressed",
  rightStick: "Right stick pressed",
  up: "D-pad ↑",
  down: "D-pad ↓",
  left: "D-pad ←",
  right: "D-pad →",
};
const SHOULDERS = { leftBumper: "L1", rightBumper: "R1", leftTrigger: "L2", rightTrigger: "R2" };
const PLAYSTATION = { ...XBOX, ...SHOULDERS, a: "✕", b: "○", x: "□", y: "△", view: "Create", menu: "Options" };
const SWITCH = {
  ...XBOX,
  ...{ a: "B", b: "A", x: "Y", y: "X", view: "−", menu: "+" },
  ...{ leftBumper: "L", rightBumper: "R", leftTrigger: "ZL", rightTrigger: "ZR" },
};

/** What is printed on a button of the pad with this id (`Gamepad.id` names its maker); without one, as on most pads. */
export function padButtonName(button: PadButton, id = ""): string {
  if (/054c|playstation|dualsense|dualshock|^wireless controller/i.test(id)) return PLAYSTATION[button];
  if (/057e|nintendo|joy-con|switch/i.test(id)) return SWITCH[button];
  return XBOX[button];
}

/** The name of a control that the manifest names: a stick's axis in words, or a button. */
export function padControlName(control: string, id = ""): string {
  if (isPadButton(control)) return padButtonName(control, id);
  const side = control.startsWith("left") ? "Left" : "Right";
  return `${side} stick ${control.endsWith("X") ? "↔" : "↕"}`;
}
