/** A drawn pad on which the controls of the world are lit, each in its action's colour, and move as they are moved. */
import { PAD_BUTTONS, type PadButton, padButtonName, STICKS } from "../action/pad-layout";
import type { Pads } from "../action/pads";
import type { ActionSpec } from "../model/manifest";
import { HUES } from "./how-to-play";
import { svg } from "./svg";

/** Where things are, in the picture's own coordinates of 300 × 200. */
const PLACES: Record<
  Exclude<PadButton, "leftStick" | "rightStick">,
  readonly [x: number, y: number, w: number, h: number]
> = {
  leftTrigger: [52, 4, 46, 16],
  rightTrigger: [202, 4, 46, 16],
  leftBumper: [48, 24, 56, 12],
  rightBumper: [196, 24, 56, 12],
  view: [122, 62, 16, 10],
  menu: [162, 62, 16, 10],
  up: [106, 96, 14, 16],
  down: [106, 122, 14, 16],
  left: [91, 110, 16, 14],
  right: [119, 110, 16, 14],
  a: [213, 86, 20, 20],
  b: [233, 66, 20, 20],
  x: [193, 66, 20, 20],
  y: [213, 46, 20, 20],
};
const KNOBS = { left: [80, 76, 0, 1], right: [187, 118, 2, 3] } as const; // x, y, its two axes
const KNOB_WAY = 11;
const BODY =
  "M66 34h168c30 0 44 34 52 78 8 46 2 76-20 76-20 0-30-40-58-40H92c-28 0-38 40-58 40-22 0-28-30-20-76 8-44 22-78 52-78z";

/** @returns the picture, hidden from screen readers (whoever shows it has the words beside it), and a way to stop following the pads */
export function drawPad(
  actions: readonly ActionSpec[],
  pads: Pads,
): { readonly picture: SVGElement; readonly stop: () => void } {
  const hueOf = (uses: (control: string) => boolean) => {
    const index = actions.findIndex(({ gamepad }) => uses(gamepad));
    return index < 0 ? undefined : String(index % HUES);
  };
  const light = (shape: SVGElement, hue: string | undefined) => {
    if (hue === undefined) return;
    shape.classList.add("lit");
    shape.dataset.hue = hue;
  };
  const id = pads.states()[0]?.id;
  const buttons = Object.entries(PLACES).map(([name, [x, y, width, height]]) => {
    const isRound = "abxy".includes(name);
    const shape = svg(
      "g",
      { class: "key", "data-control": name },
      svg("rect", { x, y, width, height, rx: isRound ? 10 : 5 }),
    );
    if (isRound) shape.append(svg("text", { x: x + 10, y: y + 14 }, padButtonName(name as PadButton, id)));
    light(
      shape,
      hueOf((control) => control === name),
    );
    return shape;
  });
  const knobs = Object.entries(KNOBS).map(([side, [x, y]]) => {
    const knob = svg("g", { class: "key", "data-control": `${side}Stick` }, svg("circle", { cx: x, cy: y, r: 15 }));
    const across = hueOf((control) => control === `${side}X`);
    const along = hueOf((control) => control.startsWith(`${side}Y`) && control in STICKS);
    light(knob, across ?? along);
    if (across !== undefined) knob.append(arrows(x, y, [1, 0], across));
    if (along !== undefined) knob.append(arrows(x, y, [0, 1], along));
    return svg("g", {}, svg("circle", { class: "well", cx: x, cy: y, r: 25 }), knob);
  });
  const picture = svg(
    "svg",
    { class: "pad-picture", viewBox: "0 0 300 200", "aria-hidden": "true" },
    svg("path", { class: "well", d: BODY }),
    ...buttons,
    ...knobs,
  );

  const follow = () => {
    const states = pads.states();
    for (const shape of picture.querySelectorAll<SVGElement>("[data-control]")) {
      const control = shape.dataset.control as PadButton;
      const index = PAD_BUTTONS.indexOf(control);
      shape.classList.toggle(
        "down",
        states.some(({ buttons }) => (buttons[index] ?? 0) > 0.1),
      );
      const knob = control === "leftStick" ? KNOBS.left : control === "rightStick" ? KNOBS.right : undefined;
      if (!knob) continue;
      const most = (axis: number) =>
        states.reduce((most, { axes }) => (Math.abs(axes[axis] ?? 0) > Math.abs(most) ? (axes[axis] ?? 0) : most), 0);
      const [, , x, y] = knob;
      shape.setAttribute("transform", `translate(${most(x) * KNOB_WAY} ${most(y) * KNOB_WAY})`);
    }
  };
  follow();
  const watching = pads.changes.subscribe(follow);
  return { picture, stop: () => watching.unsubscribe() };
}

/** Two heads of an arrow, to either side of a knob. */
function arrows(x: number, y: number, [dx, dy]: readonly [number, number], hue: string): SVGElement {
  const head = (sign: number) => {
    const [tx, ty] = [x + sign * dx * 11, y + sign * dy * 11];
    const [bx, by] = [x + sign * dx * 6, y + sign * dy * 6];
    return `M${bx + dy * 4} ${by + dx * 4}L${tx} ${ty}L${bx - dy * 4} ${by - dx * 4}z`;
  };
  const shape = svg("path", { class: "arrow", d: head(1) + head(-1) });
  shape.dataset.hue = hue;
  return shape;
}
