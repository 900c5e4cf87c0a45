/**
 * Finding one's way around by pad: while a sheet, an error or anything marked `data-pad-scope` is open, the d-pad moves
 * the focus in it, A presses what has the focus and B goes back. All other presses are handed on as unclaimed.
 */
import { type Observable, Subject } from "rxjs";
import type { PadButton } from "../action/pad-layout";
import { createPads, type PadPress, type Pads } from "../action/pads";

type Direction = "up" | "down" | "left" | "right";

const FOCUSABLE = "a[href], button:enabled, select:enabled, input:enabled, summary, [tabindex]:not([tabindex='-1'])";
/** ms. A held direction goes on after the first, then once per second. */
const REPEAT_AFTER_MS = 400;
const REPEAT_MS = 120;

/** What the d-pad walks in now: the open sheet, else an error, else what is marked; null when there is nothing of the kind. */
export function padScope(): HTMLElement | null {
  const scopes = document.querySelectorAll<HTMLElement>("dialog[open], #alert:not([hidden]), [data-pad-scope]");
  const shown = [...scopes].filter((scope) => scope.checkVisibility());
  return shown.find((scope) => scope.matches("dialog")) ?? shown.find(({ id }) => id === "alert") ?? shown[0] ?? null;
}

export interface PadNavigation {
  readonly pads: Pads;
  /** Presses that moved nothing on the page, and their releases. */
  readonly unclaimed: Observable<PadPress>;
}

let shared: PadNavigation | undefined;

/** The page's pads, one for all worlds that are opened on it: a pad that is held through a change stays known. */
export function pagePads(): PadNavigation {
  shared ??= createPadNavigation(createPads());
  return shared;
}

let capturing: ((button: PadButton) => void) | undefined;

/** The next press goes here and nowhere else. @returns a way to wait no longer */
export function captureNextPress(take: (button: PadButton) => void): () => void {
  capturing = take;
  return () => {
    if (capturing === take) capturing = undefined;
  };
}

export function createPadNavigation(pads: Pads): PadNavigation {
  const unclaimed = new Subject<PadPress>();
  const claimed = new Set<PadButton>();
  let repeating: ReturnType<typeof setTimeout> | undefined;

  const repeat = (button: PadButton, ms: number) => {
    repeating = setTimeout(() => {
      const scope = padScope();
      if (!scope || !claimed.has(button)) return;
      move(scope, button as Direction);
      repeat(button, REPEAT_MS);
    }, ms);
  };
  pads.presses.subscribe((press) => {
    if (!press.isDown) {
      clearTimeout(repeating);
      if (!claimed.delete(press.button)) unclaimed.next(press);
      return;
    }
    if (!document.hasFocus() && document.body.dataset.headset === undefined) return; // another window is played
    if (capturing) {
      claimed.add(press.button);
      const take = capturing;
      capturing = undefined;
      return take(press.button);
    }
    const scope = padScope();
    if (!scope || !navigate(scope, press.button)) return unclaimed.next(press);
    document.body.dataset.by = "pad"; // the focus is then shown in any case
    claimed.add(press.button);
    clearTimeout(repeating);
    if (isDirection(press.button)) repeat(press.button, REPEAT_AFTER_MS);
  });
  window.addEventListener("pointerdown", () => delete document.body.dataset.by);
  return { pads, unclaimed };
}

const isDirection = (button: PadButton): button is Direction => ["up", "down", "left", "right"].includes(button);

/** Whether the press meant something in there. */
function navigate(scope: HTMLElement, button: PadButton): boolean {
  if (isDirection(button)) move(scope, button);
  else if (button === "a") press(scope);
  else if (scope instanceof HTMLDialogElement && (button === "b" || button === "menu" || button === "view")) {
    scope.requestClose();
  } else if (button === "b") {
    const back = scope.querySelector<HTMLElement>("[data-pad-back]");
    if (!back) return false;
    back.click();
  } else return scope instanceof HTMLDialogElement; // the world waits behind a sheet: nothing else gets through
  return true;
}

function press(scope: HTMLElement): void {
  const focused = focusedIn(scope);
  if (focused instanceof HTMLSelectElement) turn(focused, 1);
  else if (focused) focused.click();
  else move(scope, "down");
}

function move(scope: HTMLElement, direction: Direction): void {
  const focused = focusedIn(scope);
  const sideways = direction === "left" ? -1 : direction === "right" ? 1 : 0;
  if (sideways && focused instanceof HTMLSelectElement) {
    turn(focused, sideways);
    return;
  }
  if (sideways && focused instanceof HTMLInputElement && focused.type === "range") {
    slide(focused, sideways);
    return;
  }
  const all = [...scope.querySelectorAll<HTMLElement>(FOCUSABLE)].filter((element) => element.checkVisibility());
  const next = focused ? nearest(focused, all, direction) : all[0];
  next?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

const focusedIn = (scope: HTMLElement) => {
  const focused = document.activeElement;
  return focused instanceof HTMLElement && focused !== scope && scope.contains(focused) ? focused : null;
};

function turn(select: HTMLSelectElement, by: number): void {
  const { length } = select.options;
  select.selectedIndex = (select.selectedIndex + by + length) % length;
  select.dispatchEvent(new Event("change", { bubbles: true }));
}

function slide(range: HTMLInputElement, by: number): void {
  if (by > 0) range.stepUp();
  else range.stepDown();
  range.dispatchEvent(new Event("input", { bubbles: true }));
}

/** The one that lies closest that way; what is off the line counts double. */
function nearest(from: HTMLElement, all: readonly HTMLElement[], direction: Direction): HTMLElement | undefined {
  const middle = (element: HTMLElement) => {
    const { left, top, width, height } = element.getBoundingClientRect();
    return [left + width / 2, top + height / 2] as const;
  };
  const [x, y] = middle(from);
  const vertical = direction === "up" || direction === "down";
  const sign = direction === "up" || direction === "left" ? -1 : 1;
  let best: HTMLElement | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const candidate of all) {
    const [cx, cy] = middle(candidate);
    const ahead = sign * (vertical ? cy - y : cx - x);
    if (candidate === from || ahead < 2) continue; // px: on one line, whatever the rounding
    const distance = ahead + 2 * Math.abs(vertical ? cx - x : cy - y);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}
