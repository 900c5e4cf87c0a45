/**
 * On-screen controls for fingers, built from the action table: actions on a pad's stick share an on-screen stick,
 * all others get a pedal. Pointer events only, one pointer per control. Where they sit and how big is `style.css`.
 */
import type { ActionSpec } from "../model/manifest";
import { atRest, deflect, type InputSource } from "./source";

/** One on-screen control and what it does. */
export interface TouchZone {
  /** Names of its actions, with the stick's directions where it has two: "walk ↕ strafe ↔". */
  readonly label: string;
  readonly kind: "Left stick" | "Right stick" | "Button";
  /** Index of the action that it moves sideways, up and down, or by being touched; −1 for none. */
  readonly x: number;
  readonly y: number;
  readonly touched: number;
}

/** The controls that a world gets, from left to right. */
export function touchZones(actions: readonly ActionSpec[]): TouchZone[] {
  const sticks = (["left", "right"] as const).flatMap((side): TouchZone[] => {
    const x = actions.findIndex((spec) => spec.gamepad === `${side}X`);
    const y = actions.findIndex((spec) => spec.gamepad === `${side}Y` || spec.gamepad === `${side}YUp`);
    if (x < 0 && y < 0) return [];
    const label = [y < 0 ? "" : `${actions[y]?.name} ↕`, x < 0 ? "" : `${actions[x]?.name} ↔`]
      .filter(Boolean)
      .join(" ");
    return [{ label, kind: side === "left" ? "Left stick" : "Right stick", x, y, touched: -1 }];
  });
  const buttons = actions.flatMap((spec, index): TouchZone[] => {
    if (/(X|Y|YUp)$/.test(spec.gamepad)) return [];
    return [{ label: spec.name, kind: "Button", x: -1, y: -1, touched: index }];
  });
  return [...sticks, ...buttons];
}

/** Fills `container` with the controls. */
export function createTouch(container: HTMLElement, actions: readonly ActionSpec[]): InputSource {
  const deflection = new Float32Array(actions.length); // now, [-1, 1]
  const tapped = new Set<number>(); // pedals pressed since the last sample
  const releases: (() => void)[] = [];
  let since: number | undefined;
  const set = (index: number, value: number, time: number) => {
    if (index < 0 || deflection[index] === value) return;
    deflection[index] = value;
    since ??= time;
  };

  for (const { label, kind, x, y, touched } of touchZones(actions)) {
    if (kind === "Button") {
      const pedal = addControl(container, "pedal", label);
      pedal.textContent = label;
      const release = followPointer(pedal, {
        move: (event) => {
          tapped.add(touched);
          pedal.classList.add("pressed");
          set(touched, 1, event.timeStamp);
        },
        end: (event) => {
          pedal.classList.remove("pressed");
          set(touched, 0, event.timeStamp);
        },
      });
      releases.push(release);
      continue;
    }
    const down = actions[y]?.gamepad.endsWith("YUp") ? -1 : 1; // what down gives
    const stick = addControl(container, "stick", label);
    const knob = stick.appendChild(document.createElement("span"));
    stick.appendChild(document.createElement("small")).textContent = label;
    const move = (dx: number, dy: number, time: number) => {
      set(x, dx, time);
      set(y, down * dy, time);
      knob.style.translate = `${(x < 0 ? 0 : dx) * 50}% ${(y < 0 ? 0 : dy) * 50}%`;
    };
    const release = followPointer(stick, {
      move: (event) => move(...offset(stick, event), event.timeStamp),
      end: (event) => move(0, 0, event.timeStamp),
    });
    releases.push(release);
  }

  return {
    sample() {
      const action = atRest(actions);
      actions.forEach((spec, i) => {
        action[i] = deflect(spec, deflection[i] || (tapped.has(i) ? 1 : 0));
      });
      const sample = { action, since };
      tapped.clear();
      since = undefined;
      return sample;
    },
    clear() {
      for (const release of releases) release();
      tapped.clear();
      since = undefined;
    },
    close: () => container.replaceChildren(),
  };
}

function addControl(container: HTMLElement, kind: string, name: string): HTMLElement {
  const control = container.appendChild(document.createElement("div"));
  control.className = kind;
  control.setAttribute("role", "img"); // for fingers only: the keyboard's way is in the settings sheet
  control.setAttribute("aria-label", `Touch control: ${name}`);
  return control;
}

/** Follows one pointer from press to release; returns a way to let go without one. */
function followPointer(
  element: HTMLElement,
  on: { move: (event: PointerEvent) => void; end: (event: Event) => void },
): () => void {
  let pointer: number | undefined;
  const end = (event: Event) => {
    if (pointer === undefined || (event instanceof PointerEvent && event.pointerId !== pointer)) return;
    pointer = undefined;
    on.end(event);
  };
  element.addEventListener("pointerdown", (event) => {
    if (pointer !== undefined) return;
    pointer = event.pointerId;
    element.setPointerCapture(pointer);
    on.move(event);
  });
  element.addEventListener("pointermove", (event) => {
    if (event.pointerId === pointer) on.move(event);
  });
  for (const name of ["pointerup", "pointercancel", "lostpointercapture"] as const) element.addEventListener(name, end);
  return () => end(new Event("release"));
}

/** Deflection of a pointer from the element's middle, within the unit circle; its rim is full deflection. */
function offset(element: HTMLElement, event: PointerEvent): [number, number] {
  const box = element.getBoundingClientRect();
  const dx = (event.clientX - box.x - box.width / 2) / (box.width / 2);
  const dy = (event.clientY - box.y - box.height / 2) / (box.height / 2);
  const length = Math.max(1, Math.hypot(dx, dy));
  return [dx / length, dy / length];
}
