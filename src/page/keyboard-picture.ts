/**
 * A drawn keyboard on which the world's keys are lit, each in its action's colour, and go down as they are pressed. What
 * is drawn follows from the bound keys: rows that few keyboards have appear only when the world needs them.
 */
import type { Binding } from "../action/bindings";
import type { ActionSpec } from "../model/manifest";
import { HUES } from "./how-to-play";
import { keyLabels } from "./key-labels";
import { svg } from "./svg";

/** A key's code and its width in units of a letter's; a number alone is a gap. */
type Place = string | readonly [code: string, width: number] | number;

const keys = (prefix: string, names: string) => [...names].map((name) => prefix + name);

const MAIN: readonly (readonly Place[])[] = [
  ["Backquote", ...keys("Digit", "1234567890"), "Minus", "Equal", ["Backspace", 2]],
  [["Tab", 1.5], ...keys("Key", "QWERTYUIOP"), "BracketLeft", "BracketRight", ["Backslash", 1.5]],
  [["CapsLock", 1.75], ...keys("Key", "ASDFGHJKL"), "Semicolon", "Quote", ["Enter", 2.25]],
  [["ShiftLeft", 2.25], ...keys("Key", "ZXCVBNM"), "Comma", "Period", "Slash", ["ShiftRight", 2.75]],
  [
    ["ControlLeft", 1.25],
    ["MetaLeft", 1.25],
    ["AltLeft", 1.25],
    ["Space", 6.25],
    ["AltRight", 1.25],
    ["MetaRight", 1.25],
    ["ContextMenu", 1.25],
    ["ControlRight", 1.25],
  ],
];
const FUNCTIONS: readonly Place[] = [1, "F1", "F2", "F3", "F4", 0.5, "F5", "F6", "F7", "F8", 0.5, "F9", "F10", "F11"];
const ARROWS: readonly (readonly Place[])[] = [[], [], [], [1, "ArrowUp"], ["ArrowLeft", "ArrowDown", "ArrowRight"]];
const EDITING: readonly (readonly Place[])[] = [
  ["Insert", "Home", "PageUp"],
  ["Delete", "End", "PageDown"],
];
const NUMPAD: readonly (readonly Place[])[] = [
  ["NumLock", "NumpadDivide", "NumpadMultiply", "NumpadSubtract"],
  ["Numpad7", "Numpad8", "Numpad9", "NumpadAdd"],
  ["Numpad4", "Numpad5", "Numpad6"],
  ["Numpad1", "Numpad2", "Numpad3", "NumpadEnter"],
  [["Numpad0", 2], "NumpadDecimal"],
];

interface Drawn {
  readonly code: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
}

/** Where each key of the picture lies, in letters' widths; and which of the bound keys have no place in it. */
export function arrangeKeys(codes: readonly string[]): { readonly drawn: Drawn[]; readonly missing: string[] } {
  const drawn: Drawn[] = [];
  const row = (places: readonly Place[], left: number, y: number) => {
    let x = left;
    for (const place of places) {
      if (typeof place === "number") {
        x += place;
        continue;
      }
      const [code, width] = typeof place === "string" ? [place, 1] : place;
      drawn.push({ code, x, y, width });
      x += width;
    }
  };
  const block = (rows: readonly (readonly Place[])[], left: number) => {
    for (const [y, places] of rows.entries()) row(places, left, y);
  };
  const needs = (rows: readonly (readonly Place[])[]) => {
    const all = rows.flat().map((place) => (Array.isArray(place) ? place[0] : place));
    return codes.some((code) => all.includes(code));
  };
  block(MAIN, 0);
  block(ARROWS, 15.5);
  if (needs(EDITING)) block(EDITING, 15.5);
  if (needs(NUMPAD)) block(NUMPAD, 19);
  if (needs([[...FUNCTIONS, "F12"]])) row([...FUNCTIONS, "F12"], 0, -1.25);
  return { drawn, missing: codes.filter((code) => !drawn.some((key) => key.code === code)) };
}

const UNIT = 40; // of the picture's own coordinates
const GAP = 4;

/** @returns the picture, hidden from screen readers (whoever shows it has the words beside it), and a way to stop following the keys */
export function drawKeyboard(
  actions: readonly ActionSpec[],
  bindings: readonly Binding[],
): { readonly picture: SVGElement; readonly stop: () => void } {
  const { drawn } = arrangeKeys(bindings.map(({ code }) => code));
  const label = keyLabels.value;
  const right = Math.max(...drawn.map(({ x, width }) => x + width));
  const top = Math.min(...drawn.map(({ y }) => y));
  const bottom = Math.max(...drawn.map(({ y }) => y)) + 1;
  const shapes = new Map<string, SVGGElement>();
  for (const { code, x, y, width } of drawn) {
    const binding = bindings.find((bound) => bound.code === code);
    const shape = svg(
      "g",
      { class: binding ? "key lit" : "key", transform: `translate(${x * UNIT} ${y * UNIT})` },
      svg("rect", { width: width * UNIT - GAP, height: UNIT - GAP, rx: 6 }),
    );
    if (binding) {
      const text = code === "Space" ? "" : label(code);
      shape.dataset.hue = String(actions.findIndex(({ name }) => name === binding.action) % HUES);
      shape.append(svg("text", { x: (width * UNIT - GAP) / 2, y: UNIT / 2 + 4 }, text.slice(0, 6)));
    }
    shapes.set(code, shape);
  }
  const picture = svg(
    "svg",
    {
      class: "keyboard-picture",
      viewBox: `0 ${top * UNIT} ${right * UNIT} ${(bottom - top) * UNIT}`,
      "aria-hidden": "true",
    },
    ...shapes.values(),
  );
  const closing = new AbortController();
  for (const type of ["keydown", "keyup"] as const) {
    window.addEventListener(
      type,
      ({ code }) => shapes.get(code)?.classList.toggle("down", type === "keydown"),
      { signal: closing.signal, capture: true }, // in the help sheet too, where keys drive nothing
    );
  }
  return { picture, stop: () => closing.abort() };
}
