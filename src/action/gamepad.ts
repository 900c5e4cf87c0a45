/**
 * Gamepad input: sticks and triggers through a dead zone, straight into the action vector. Which control drives which
 * action is the world's table; of several pads, the one that deflects it furthest. `gamepad.js` does the polling; what it leaves open is closed
 * here: it stops at the first uncaught error of the page, says nothing of values held at connect, and emits no zero at
 * disconnect. Pads of another layout than the standard one are reported and not read.
 */
import { GamepadListener } from "gamepad.js";
import type { ActionSpec } from "../model/manifest";
import { radialDeadZone } from "./dead-zone";
import { atRest, deflect, type InputSource } from "./source";

/** Places in the W3C "standard" layout. */
const STICKS = {
  leftX: [0, 1, 0, 1],
  leftY: [0, 1, 1, 1],
  leftYUp: [0, 1, 1, -1],
  rightX: [2, 3, 0, 1],
  rightY: [2, 3, 1, 1],
  rightYUp: [2, 3, 1, -1],
} as const; // x axis, y axis, which of the two, sign
/** A trigger that nobody pulls rests below this value; XInput's threshold, 30 of 255. */
const TRIGGER_DEAD_ZONE = 30 / 255;
const BUTTONS = { a: 0, b: 1, x: 2, y: 3, leftTrigger: 6, rightTrigger: 7 } as const;

export interface GamepadOptions {
  readonly actions: readonly ActionSpec[];
  /** Radius of the sticks' dead zone, [0, 1). */
  readonly deadZone: number;
  /** The page's clock, ms. */
  readonly now: () => number;
}

export interface GamepadSource extends InputSource {
  configure(change: { readonly deadZone: number }): void;
  /** In words, for the settings sheet. */
  describe(): string;
}

export function createGamepad(options: GamepadOptions): GamepadSource {
  const { actions, now } = options;
  let deadZone = options.deadZone;
  const pads = new Map<number, { readonly id: string; readonly axes: number[]; readonly buttons: number[] }>();
  const tapped = new Map<number, number>(); // button → its highest value since the last sample
  let last = atRest(actions);
  let since: number | undefined;

  const read = (spec: ActionSpec): number => {
    const control = spec.gamepad;
    if (control in STICKS) {
      const [x, y, axis, sign] = STICKS[control as keyof typeof STICKS];
      const deflections = [...pads.values()].map(
        ({ axes }) => sign * radialDeadZone(axes[x] ?? 0, axes[y] ?? 0, deadZone)[axis],
      );
      return deflect(
        spec,
        deflections.reduce((most, next) => (Math.abs(next) > Math.abs(most) ? next : most), 0),
      );
    }
    const button = BUTTONS[control as keyof typeof BUTTONS];
    const pulled = Math.max(0, ...[...pads.values()].map(({ buttons }) => buttons[button] ?? 0));
    return deflect(spec, pulled || (tapped.get(button) ?? 0));
  };
  const values = () => Float32Array.from(actions, read);
  const changed = () => {
    if (values().some((value, i) => value !== last[i])) since ??= now();
  };
  const take = (index: number, { mapping, id, axes, buttons: controls }: Gamepad) => {
    if (mapping !== "standard") return;
    const buttons = controls.map(({ value }) => radialDeadZone(value, 0, TRIGGER_DEAD_ZONE)[0]);
    pads.set(index, { id, axes: [...axes], buttons });
    buttons.forEach((value, i) => {
      if (value > 0) tapped.set(i, Math.max(value, tapped.get(i) ?? 0));
    });
    changed();
  };

  const listener = typeof navigator.getGamepads === "function" ? new GamepadListener({ deadZone: 0 }) : undefined;
  listener?.on("gamepad:connected", ({ detail }) => take(detail.index, detail.gamepad));
  listener?.on("gamepad:axis", ({ detail }) => take(detail.index, detail.gamepad));
  listener?.on("gamepad:button", ({ detail }) => take(detail.index, detail.gamepad));
  listener?.on("gamepad:disconnected", ({ detail }) => {
    if (!pads.delete(detail.index)) return;
    tapped.clear();
    changed();
  });
  const start = () => listener?.start();
  window.addEventListener("error", start); // after the library's own handler, which stops it
  start();

  const clear = () => {
    tapped.clear();
    since = undefined;
  };
  return {
    sample() {
      listener?.update(); // the newest values, not those of the last animation frame
      last = values();
      const sample = { action: last.slice(), since };
      clear();
      return sample;
    },
    clear,
    close() {
      window.removeEventListener("error", start);
      if (!listener) return;
      window.removeEventListener("error", listener.stop); // the library leaves it there
      listener.stop();
    },
    configure(change) {
      deadZone = change.deadZone;
    },
    describe() {
      if (!listener) return "This browser offers no gamepads.";
      if (pads.size > 0) return `Connected: ${[...pads.values()].map(({ id }) => id).join(", ")}`;
      const other = navigator.getGamepads().find((gamepad) => gamepad && gamepad.mapping !== "standard");
      return other
        ? `${other.id}: its layout is unknown, so it isn't read.`
        : "None seen: connect one and press a button.";
    },
  };
}
