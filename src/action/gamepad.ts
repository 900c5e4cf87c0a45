/**
 * Gamepad input: sticks and triggers through a dead zone, straight into the action vector. Which control drives which
 * action is the world's table; of several pads, the one that deflects it furthest. Polling the pads is `pads.ts`.
 */
import type { ActionSpec } from "../model/manifest";
import { radialDeadZone } from "./dead-zone";
import { PAD_BUTTONS, type PadButton, STICKS } from "./pad-layout";
import type { Pads } from "./pads";
import { atRest, deflect, type InputSource } from "./source";

/** A trigger that nobody pulls rests below this value; XInput's threshold, 30 of 255. */
const TRIGGER_DEAD_ZONE = 30 / 255;

export interface GamepadOptions {
  readonly actions: readonly ActionSpec[];
  readonly pads: Pads;
  /** Radius of the sticks' dead zone, [0, 1). */
  readonly deadZone: number;
  /** The page's clock, ms. */
  readonly now: () => number;
}

export interface GamepadSource extends InputSource {
  readonly pads: Pads;
  configure(change: { readonly deadZone: number }): void;
}

export function createGamepad(options: GamepadOptions): GamepadSource {
  const { actions, pads, now } = options;
  let deadZone = options.deadZone;
  const tapped = new Map<number, number>(); // button → its highest value since the last sample
  const spent = new Set<number>(); // buttons that don't count until they are let go
  let last = atRest(actions);
  let since: number | undefined;

  const pulled = (button: number) =>
    Math.max(0, ...pads.states().map(({ buttons }) => radialDeadZone(buttons[button] ?? 0, 0, TRIGGER_DEAD_ZONE)[0]));
  const read = (spec: ActionSpec): number => {
    const control = spec.gamepad;
    if (control in STICKS) {
      const [x, y, axis, sign] = STICKS[control as keyof typeof STICKS];
      const deflections = pads
        .states()
        .map(({ axes }) => sign * radialDeadZone(axes[x] ?? 0, axes[y] ?? 0, deadZone)[axis]);
      return deflect(
        spec,
        deflections.reduce((most, next) => (Math.abs(next) > Math.abs(most) ? next : most), 0),
      );
    }
    const button = PAD_BUTTONS.indexOf(control as PadButton);
    return deflect(spec, spent.has(button) ? 0 : pulled(button) || (tapped.get(button) ?? 0));
  };
  const values = () => Float32Array.from(actions, read);
  const look = () => {
    PAD_BUTTONS.forEach((_, i) => {
      const value = pulled(i);
      if (value === 0) spent.delete(i);
      else if (!spent.has(i)) tapped.set(i, Math.max(value, tapped.get(i) ?? 0));
    });
    if (values().some((value, i) => value !== last[i])) since ??= now();
  };
  const watching = pads.changes.subscribe(() => {
    if (pads.states().length === 0) tapped.clear();
    look();
  });

  const forget = () => {
    tapped.clear();
    since = undefined;
  };
  return {
    pads,
    sample() {
      pads.update();
      last = values();
      const sample = { action: last.slice(), since };
      forget();
      return sample;
    },
    clear() {
      forget();
      PAD_BUTTONS.forEach((_, i) => {
        if (pulled(i) > 0) spent.add(i);
      });
    },
    configure(change) {
      deadZone = change.deadZone;
    },
    close() {
      watching.unsubscribe();
    },
  };
}
