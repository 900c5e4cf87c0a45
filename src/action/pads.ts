/**
 * The pads that are connected: their sticks and buttons now, and each press of a button. `gamepad.js` does the polling;
 * what it leaves open is closed here: it stops at the first uncaught error of the page, says nothing of values held at
 * connect, tells no release at disconnect, and reads a pad that says it isn't connected. What a control does is others'
 * business: `gamepad.ts` makes actions of them, `page/controls.ts` commands.
 */
import { GamepadListener } from "gamepad.js";
import { type Observable, Subject } from "rxjs";
import { PAD_BUTTONS, type PadButton } from "./pad-layout";

export interface PadState {
  readonly id: string;
  /** [-1, 1] each: left x, left y, right x, right y; down and right are positive. */
  readonly axes: readonly number[];
  /** [0, 1] each, in the order of `PAD_BUTTONS`. */
  readonly buttons: readonly number[];
}

export interface PadPress {
  readonly button: PadButton;
  readonly isDown: boolean;
}

export interface Pads {
  /** Of the standard layout only, as last seen. */
  states(): readonly PadState[];
  /** Reads all pads now, so that nobody waits for the next animation frame. */
  update(): void;
  /** A pad has come, gone or moved. */
  readonly changes: Observable<void>;
  /**
   * A button has gone down on any pad, or been let go on all. One that is held when its pad appears isn't pressed:
   * browsers show a pad only after somebody has pressed something on it.
   */
  readonly presses: Observable<PadPress>;
  /** Puts a pad of another kind in, such as a headset's controllers; null takes it out. */
  put(key: string, state: PadState | null): void;
  /** In words, for the settings sheet. */
  describe(): string;
  /** Stops polling, for good. */
  close(): void;
}

/** A button counts as down above the first value, as up below the second: one that trembles about a value isn't pressed twice. */
const DOWN = 0.5;
const UP = 0.35;

/** Drivers report what isn't a number now and then: a control that says nothing is at rest. */
const numberOf = (value: number): number => (Number.isFinite(value) ? value : 0);

/** Some browsers leave an unplugged pad in its place, with what it held, and say no more than that it isn't connected. */
const isThere = (gamepad: Gamepad | null): gamepad is Gamepad => gamepad !== null && gamepad.connected !== false;

class Listener extends GamepadListener {
  protected override discover(gamepad: Gamepad | null, index: number): void {
    super.discover(isThere(gamepad) ? gamepad : null, index);
  }
}

/** A page within another site's may be forbidden to read them: asking throws then. */
function offersGamepads(): boolean {
  try {
    return typeof navigator.getGamepads === "function" && navigator.getGamepads() !== null;
  } catch {
    return false;
  }
}

export function createPads(): Pads {
  const pads = new Map<string, PadState>();
  const held = new Map<string, Set<number>>(); // by pad: buttons down, those from before it appeared included
  const silent = new Map<string, Set<number>>(); // by pad: of these, the ones nobody is told of
  const changes = new Subject<void>();
  const presses = new Subject<PadPress>();

  const told = (button: number) =>
    [...held].some(([key, buttons]) => buttons.has(button) && !silent.get(key)?.has(button));

  const put = (key: string, state: PadState | null) => {
    const before = PAD_BUTTONS.map((_, i) => told(i));
    if (state === null) {
      if (!pads.delete(key)) return;
      held.delete(key);
      silent.delete(key);
    } else {
      const known = held.get(key);
      const down = new Set(state.buttons.flatMap((value, i) => (value > (known?.has(i) ? UP : DOWN) ? [i] : [])));
      silent.set(key, known ? new Set([...(silent.get(key) ?? [])].filter((i) => down.has(i))) : new Set(down));
      held.set(key, down);
      pads.set(key, state);
    }
    changes.next();
    PAD_BUTTONS.forEach((button, i) => {
      const isDown = told(i);
      if (isDown !== before[i]) presses.next({ button, isDown });
    });
  };
  const take = (index: number, { mapping, id, axes, buttons }: Gamepad) => {
    const state = { id, axes: axes.map(numberOf), buttons: buttons.map(({ value }) => numberOf(value)) };
    put(`pad ${index}`, mapping === "standard" ? state : null); // it may have taken another one's place
  };

  const listener = offersGamepads() ? new Listener({ deadZone: 0 }) : undefined;
  listener?.on("gamepad:connected", ({ detail }) => take(detail.index, detail.gamepad));
  listener?.on("gamepad:axis", ({ detail }) => take(detail.index, detail.gamepad));
  listener?.on("gamepad:button", ({ detail }) => take(detail.index, detail.gamepad));
  listener?.on("gamepad:disconnected", ({ detail }) => put(`pad ${detail.index}`, null));
  const goOn = () => listener?.start(); // after the library's own handler, which stops it
  window.addEventListener("error", goOn);
  listener?.start();

  return {
    states: () => [...pads.values()],
    update: () => listener?.update(),
    changes,
    presses,
    put,
    describe() {
      if (pads.size > 0) return `Connected: ${[...pads.values()].map(({ id }) => id).join(", ")}`;
      if (!listener) return "This browser offers no gamepads, or not to this page.";
      const other = navigator.getGamepads().find((gamepad) => isThere(gamepad) && gamepad.mapping !== "standard");
      return other
        ? `${other.id}: its layout is unknown, so it isn't read.`
        : "None seen: connect one and press a button.";
    },
    close() {
      window.removeEventListener("error", goOn);
      listener?.stop();
      pads.clear();
      changes.complete();
      presses.complete();
    },
  };
}
