/**
 * On-screen controls for fingers, built from the action table: actions on a pad's stick share an on-screen stick,
 * all others get a pedal. Pointer events only, one pointer per control. Where they sit and how big is `style.css`.
 */
import type { ActionSpec } from "../model/manifest";
import { atRest, deflect, type InputSource } from "./source";

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

  for (const side of ["left", "right"] as const) {
    const x = actions.findIndex((spec) => spec.gamepad === `${side}X`);
    const y = actions.findIndex((spec) => spec.gamepad === `${side}Y` || spec.gamepad === `${side}YUp`);
    const down = actions[y]?.gamepad === `${side}YUp` ? -1 : 1; // what down gives
    if (x < 0 && y < 0) continue;
    const stick = addControl(container, "stick", [x, y].flatMap((i) => actions[i]?.name ?? []).join(" and "));
    const knob = stick.appendChild(document.createElement("span"));
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
  const pedals = actions.flatMap((spec, index) => (/(X|Y|YUp)$/.test(spec.gamepad) ? [] : [{ spec, index }]));
  for (const { spec, index } of pedals) {
    const pedal = addControl(container, "pedal", spec.name);
    pedal.textContent = spec.name;
    const release = followPointer(pedal, {
      move: (event) => {
        tapped.add(index);
        pedal.classList.add("pressed");
        set(index, 1, event.timeStamp);
      },
      end: (event) => {
        pedal.classList.remove("pressed");
        set(index, 0, event.timeStamp);
      },
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
