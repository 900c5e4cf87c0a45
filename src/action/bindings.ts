/**
 * Which key does what: a table by `KeyboardEvent.code` (the place on the keyboard, not the letter), begun from the
 * world's action table. Plain data in, plain data out; keeping it is `page/settings.ts`, listening is `keyboard.ts`.
 */
import { z } from "zod/mini";
import type { ActionSpec } from "../model/manifest";

export interface Binding {
  readonly code: string;
  /** Name of the action in the world's table. */
  readonly action: string;
  /** Value while the key is held; several held keys of one action add up. */
  readonly value: number;
}

const bindingsSchema = z.array(z.strictObject({ code: z.string(), action: z.string(), value: z.number() }));

/** The world's own keys, in table order. */
export function defaultBindings(actions: readonly ActionSpec[]): Binding[] {
  return actions.flatMap((spec) =>
    Object.entries(spec.keys).map(([code, value]) => ({ code, action: spec.name, value })),
  );
}

/** Keys that a world never gets, whatever a table says: the page couldn't be left by keyboard, or shortcuts would break. */
const RESERVED = /^(|Unidentified|Tab|Escape|(Control|Alt|Meta).*)$/; // some on-screen keyboards name no key

export const isReserved = (code: string): boolean => RESERVED.test(code);

/** The same table with another key in one row, or the row that already has that key. */
export function rebind(
  bindings: readonly Binding[],
  row: number,
  code: string,
): { readonly bindings: Binding[] } | { readonly conflict: Binding } {
  const conflict = bindings.find((binding, index) => index !== row && binding.code === code);
  if (conflict) return { conflict };
  return { bindings: bindings.map((binding, index) => (index === row ? { ...binding, code } : binding)) };
}

/**
 * A table that was kept on an earlier visit, when it still fits the world: the same rows with other keys.
 * Anything else (another release's actions, a damaged store) gives the defaults.
 */
export function restoreBindings(actions: readonly ActionSpec[], kept: unknown): Binding[] {
  const defaults = defaultBindings(actions);
  const parsed = bindingsSchema.safeParse(kept);
  if (!parsed.success || parsed.data.length !== defaults.length) return defaults;
  const fits = parsed.data.every(
    (b, i) =>
      b.action === defaults[i]?.action &&
      b.value === defaults[i]?.value &&
      (b.code === defaults[i]?.code || !isReserved(b.code)),
  );
  return fits ? parsed.data : defaults;
}

/** Where keys have no letter of their own. */
const NAMES: Readonly<Record<string, string>> = {
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  Period: ".",
  Comma: ",",
  Slash: "/",
  Semicolon: ";",
  Quote: "'",
  Minus: "-",
  Equal: "=",
  Backquote: "`",
  Backslash: "\\",
  BracketLeft: "[",
  BracketRight: "]",
  ShiftLeft: "Left Shift",
  ShiftRight: "Right Shift",
};

/** A key's name for people, as on a US keyboard: "KeyA" → "A", "ArrowLeft" → "←". */
export function keyName(code: string): string {
  return NAMES[code] ?? code.replace(/^(Key|Digit)(?=.$)/, "").replace(/^Numpad(?=.)/, "Numpad ");
}

/** The same for reading aloud: "ArrowLeft" → "left arrow". @param label what is printed on the other keys */
export function keyWords(code: string, label: (code: string) => string): string {
  return /^Arrow/.test(code) ? `${code.slice(5).toLowerCase()} arrow` : label(code);
}
