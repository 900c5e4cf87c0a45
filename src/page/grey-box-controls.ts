/** Flying through the grey-box scene and building in it: keys and pointer on its small picture, buttons for the rest. */
import type { Size } from "../view/fit";
import { chooseFile, make } from "./elements";
import { createGreyBox, type Piece } from "./grey-box";
import type { DrawGuide } from "./guide-canvas";
import type { OpenGuide } from "./guide-feed";
import { announce, complain } from "./notices";

const SPEED = 4; // m/s
const TURN = 1.6; // rad/s
const DRAG = 0.008; // rad/px

/** What a held key does: to the right, up, ahead; turn left, look up. */
const KEYS: Partial<Record<string, readonly [number, number, number, number, number]>> = {
  KeyW: [0, 0, 1, 0, 0],
  KeyS: [0, 0, -1, 0, 0],
  KeyD: [1, 0, 0, 0, 0],
  KeyA: [-1, 0, 0, 0, 0],
  KeyE: [0, 1, 0, 0, 0],
  KeyQ: [0, -1, 0, 0, 0],
  ArrowLeft: [0, 0, 0, 1, 0],
  ArrowRight: [0, 0, 0, -1, 0],
  ArrowUp: [0, 0, 0, 0, 1],
  ArrowDown: [0, 0, 0, 0, -1],
};

const HOW = "W A S D fly, E Q up and down, arrows or dragging turn";

export interface GreyBoxPlace {
  readonly size: Size;
  readonly frameRate: number;
  /** The small picture, which takes keys and the pointer while the scene is open. */
  readonly picture: HTMLElement;
  /** Gets the buttons. */
  readonly tools: HTMLElement;
  /** Ends a pause that the page asked for: keys that fly don't reach it. */
  readonly goOn: () => void;
}

export function greyBoxScene(draw: DrawGuide, { size, frameRate, picture, tools, goOn }: GreyBoxPlace): OpenGuide {
  return async () => {
    const box = createGreyBox(size);
    const closing = new AbortController();
    const { signal } = closing;
    const held = new Set<string>();
    const tapped = new Set<string>(); // went down since the last tick, whether or not still held
    const { ariaLabel } = picture;
    const press = (code: string) => {
      goOn();
      held.add(code);
      tapped.add(code);
    };
    const on = <K extends keyof HTMLElementEventMap>(type: K, take: (event: HTMLElementEventMap[K]) => void) =>
      picture.addEventListener(type, take, { signal });

    on("keydown", (event) => {
      if (!KEYS[event.code] || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      event.stopPropagation(); // or they would drive the world
      press(event.code);
    });
    on("keyup", ({ code }) => held.delete(code));
    on("blur", () => held.clear());
    on("pointerdown", ({ pointerId }) => picture.setPointerCapture(pointerId));
    on("pointermove", (event) => {
      if (picture.hasPointerCapture(event.pointerId)) box.turn(event.movementX * DRAG, event.movementY * DRAG);
    });

    const tool = (textContent: string, run: () => void) =>
      make("button", { type: "button", textContent, onclick: run });
    const fly = (textContent: string, code: string) => {
      const control = make("button", { type: "button", textContent, className: "fly" });
      control.onpointerdown = () => press(code);
      control.onkeydown = (event) => void ((event.code === "Space" || event.code === "Enter") && press(code));
      control.onpointerup = control.onpointerleave = control.onkeyup = control.onblur = () => void held.delete(code);
      return control;
    };
    const add = (piece: Piece) => () => {
      box.add(piece);
      announce(`A ${piece} stands ahead.`);
    };
    const load = () =>
      chooseFile(".glb,.gltf", (file) => {
        box.load(file).catch((error: Error) => complain("The model can't be put into the scene", error));
      });
    tools.replaceChildren(
      fly("Forward", "KeyW"),
      fly("Back", "KeyS"),
      tool("Add box", add("box")),
      tool("Add wall", add("wall")),
      tool("Add ramp", add("ramp")),
      tool("Remove", () => announce(box.remove() ? "Removed." : "Nothing is in the middle of the picture.")),
      tool("Load glTF", load),
      make("small", {}, `On its small picture ${HOW}. Remove takes what is in its middle.`),
    );
    picture.tabIndex = 0;
    picture.role = "application";
    picture.ariaLabel = `Scene: ${HOW}`;
    picture.focus();

    const advance = () => {
      for (const code of new Set([...held, ...tapped])) {
        const [right, up, ahead, left, look] = KEYS[code] ?? [0, 0, 0, 0, 0];
        const [step, angle] = [SPEED / frameRate, TURN / frameRate];
        box.move(right * step, up * step, ahead * step);
        box.turn(left * angle, look * angle);
      }
      tapped.clear();
    };
    return {
      next(again) {
        advance();
        const drawn = box.draw(again);
        return drawn && draw(drawn, size);
      },
      close() {
        closing.abort();
        box.close();
        tools.replaceChildren();
        Object.assign(picture, { role: "img", ariaLabel });
        picture.removeAttribute("tabindex");
      },
    };
  };
}
