/**
 * Keyboard input: held keys and latched taps to one value per action and tick. Which key does what is the table's
 * (`bindings.ts`); which keys work the page instead of the world is decided in `page/controls.ts`.
 */
import type { ActionSpec } from "../model/manifest";
import { type Binding, isReserved } from "./bindings";
import { atRest, type InputSource } from "./source";

/** Time from rest to full deflection with smooth keys: quick enough to feel direct, slow enough for a light touch. */
const RAMP_SECONDS = 0.15;

export interface KeyboardOptions {
  readonly actions: readonly ActionSpec[];
  readonly bindings: readonly Binding[];
  /** Ticks per second: the ramp counts ticks, so that equal key presses give equal actions on any machine. */
  readonly frameRate: number;
  /** Ramp two-sided actions (min < 0) towards the held value instead of jumping. */
  readonly smooth: boolean;
}

export interface Keyboard extends InputSource {
  /** Takes other keys or another smoothing from now on. */
  configure(change: Partial<Pick<KeyboardOptions, "bindings" | "smooth">>): void;
}

/** Listens on `target` (the window); keys typed into form fields are left alone. */
export function createKeyboard(target: EventTarget, initial: KeyboardOptions): Keyboard {
  let options = initial;
  const { actions } = options;
  const held = new Set<string>();
  const tapped = new Set<string>(); // went down since the last sample, whether or not still held
  const current = atRest(actions);
  let since: number | undefined;

  const isBound = (code: string) => !isReserved(code) && options.bindings.some((binding) => binding.code === code);
  const down = (event: Event) => {
    const key = event as KeyboardEvent;
    if (!isBound(key.code) || key.ctrlKey || key.altKey || key.metaKey || wantsKeys(key.target, key.code)) return;
    key.preventDefault(); // arrows and space would scroll the page
    if (key.repeat || held.has(key.code)) return;
    held.add(key.code);
    tapped.add(key.code);
    since ??= key.timeStamp;
  };
  const up = (event: Event) => {
    const key = event as KeyboardEvent;
    if (held.delete(key.code)) since ??= key.timeStamp;
  };
  const clear = () => {
    held.clear();
    tapped.clear();
    current.set(atRest(actions));
    since = undefined;
  };
  const closing = new AbortController();
  const { signal } = closing;
  target.addEventListener("keydown", down, { signal });
  target.addEventListener("keyup", up, { signal });
  target.addEventListener("blur", clear, { signal });

  return {
    sample() {
      actions.forEach((spec, i) => {
        const goal = goalOf(spec, options.bindings, held, tapped);
        const most =
          spec.min < 0 && options.smooth ? (spec.max - spec.rest) / (RAMP_SECONDS * options.frameRate) : Infinity;
        current[i] = approach(current[i] ?? spec.rest, goal, most);
      });
      const sample = { action: current.slice(), since };
      tapped.clear();
      since = undefined;
      return sample;
    },
    clear,
    configure(change) {
      options = { ...options, ...change };
      clear();
    },
    close: () => closing.abort(),
  };
}

/** Value that the held and tapped keys ask of one action: their sum, clamped; rest without any. */
function goalOf(
  spec: ActionSpec,
  bindings: readonly Binding[],
  held: ReadonlySet<string>,
  tapped: ReadonlySet<string>,
): number {
  const pressed = bindings.filter((b) => b.action === spec.name && (held.has(b.code) || tapped.has(b.code)));
  if (pressed.length === 0) return spec.rest;
  const sum = pressed.reduce((total, binding) => total + binding.value, 0);
  return Math.min(spec.max, Math.max(spec.min, sum));
}

function approach(from: number, goal: number, most: number): number {
  return Math.abs(goal - from) <= most ? goal : from + Math.sign(goal - from) * most;
}

/** True for form fields, and for a button or link when the key would press it. */
export function wantsKeys(target: EventTarget | null, code: string): boolean {
  const element = target as Partial<Element> | null;
  if (!element?.matches) return false;
  if (element.matches("input:not([type=checkbox]), select, textarea, dialog, dialog *")) return true;
  return (code === "Space" || code === "Enter") && element.matches("button, a, summary, input[type=checkbox]");
}
