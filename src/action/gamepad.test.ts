import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { carActions } from "./car.fixture";
import { createGamepad } from "./gamepad";
import { createPads, type PadPress } from "./pads";

let pads: (Gamepad | null)[];
let onFrame: (() => void) | undefined; // what the library asked to be called back on the next animation frame
let page: EventTarget;

beforeEach(() => {
  pads = [null, null, null, null];
  onFrame = undefined;
  page = new EventTarget();
  vi.stubGlobal("navigator", { getGamepads: () => pads });
  vi.stubGlobal(
    "window",
    Object.assign(page, {
      requestAnimationFrame(callback: () => void) {
        onFrame = callback;
        return 1;
      },
      cancelAnimationFrame() {
        onFrame = undefined;
      },
    }),
  );
});
afterEach(() => vi.unstubAllGlobals());

function pad(axes: number[], buttons: Record<number, number> = {}, mapping = "standard"): Gamepad {
  const values = Array.from({ length: 17 }, (_, i) => buttons[i] ?? 0);
  return {
    id: "Test pad",
    mapping,
    axes,
    buttons: values.map((value) => ({ value, pressed: value > 0, touched: value > 0 })),
  } as unknown as Gamepad;
}

const make = (actions = carActions) => createGamepad({ actions, pads: createPads(), deadZone: 0.2, now: () => 123 });

it("feeds sticks and triggers through their dead zones", () => {
  const source = make();
  pads[0] = pad([0.6, 0, 0, 0], { 7: 0.5 });
  const { action } = source.sample();
  expect([action[0], action[2]]).toEqual([0.5, 0]);
  expect(action[1]).toBeCloseTo(0.433); // (0.5 - 30/255) / (1 - 30/255)
  pads[0] = pad([0.1, 0.1, 0, 0], { 6: 1 });
  expect([...source.sample().action]).toEqual([0, 0, 1]);
});

it("turns an axis round whose action is positive upwards", () => {
  const walk = { ...carActions[0], name: "walk", gamepad: "leftYUp" } as (typeof carActions)[number];
  const source = make([walk]);
  pads[0] = pad([0, -0.6, 0, 0]);
  expect([...source.sample().action]).toEqual([0.5]);
  pads[0] = pad([0, 0, 0, 0]);
  expect([...source.sample().action]).toEqual([0]);
});

it("reads values that were held when the pad was connected, with the time they were seen", () => {
  const source = make();
  pads[0] = pad([-1, 0, 0, 0], { 7: 1 });
  const sample = source.sample();
  expect([...sample.action]).toEqual([-1, 1, 0]);
  expect(sample.since).toBe(123);
  expect(source.sample().since).toBeUndefined();
});

it("rests when the pad is disconnected", () => {
  const source = make();
  pads[0] = pad([1, 0, 0, 0], { 7: 1 });
  source.sample();
  pads[0] = null;
  expect([...source.sample().action]).toEqual([0, 0, 0]);
});

it("lets go of what a pad held that stays in its place and says that it isn't connected", () => {
  const source = make();
  const held = pad([1, 0, 0, 0], { 7: 1 });
  pads[0] = { ...held, connected: true };
  expect([...source.sample().action]).toEqual([1, 1, 0]);
  pads[0] = { ...held, connected: false };
  expect([...source.sample().action]).toEqual([0, 0, 0]);
  expect(source.pads.describe()).toMatch(/None seen/);
  pads[0] = { ...held, connected: true };
  expect([...source.sample().action]).toEqual([1, 1, 0]);
});

it("takes from several pads what deflects furthest, whichever changed last", () => {
  const source = make();
  pads[0] = pad([-1, 0, 0, 0], { 7: 1 });
  pads[1] = pad([0.05, 0, 0, 0]);
  expect([...source.sample().action]).toEqual([-1, 1, 0]);
  pads[1] = pad([0.1, 0.02, 0, 0], { 6: 0.02, 7: 0.02 }); // noise of a pad that nobody holds
  const { action, since } = source.sample();
  expect([...action]).toEqual([-1, 1, 0]);
  expect(since).toBeUndefined();
  pads[1] = pad([0.6, 0, 0, 0], { 6: 1 });
  expect([...source.sample().action]).toEqual([-1, 1, 1]);
  pads[0] = null;
  expect([...source.sample().action]).toEqual([0.5, 0, 1]);
});

it("gives no gas by a trigger that rests at 0.02, and keeps quiet about it", () => {
  const source = make();
  pads[0] = pad([0, 0, 0, 0], { 7: 0.02 });
  expect(source.sample()).toEqual({ action: Float32Array.of(0, 0, 0), since: undefined });
});

it("keeps a tap seen between two samples", () => {
  const source = make();
  pads[0] = pad([0, 0, 0, 0]);
  source.sample();
  pads[0] = pad([0, 0, 0, 0], { 7: 1 });
  onFrame?.();
  pads[0] = pad([0, 0, 0, 0]);
  expect([...source.sample().action]).toEqual([0, 1, 0]);
  expect([...source.sample().action]).toEqual([0, 0, 0]);
});

it("goes on polling after an uncaught error of the page", () => {
  make();
  page.dispatchEvent(new Event("error"));
  expect(onFrame).toBeTypeOf("function");
});

it("doesn't guess at unknown layouts, and says what it sees", () => {
  const source = make();
  expect(source.pads.describe()).toMatch(/None seen/);
  pads[0] = pad([1, 0, 0, 0], {}, "");
  expect([...source.sample().action]).toEqual([0, 0, 0]);
  expect(source.pads.describe()).toMatch(/layout is unknown/);
  pads[1] = pad([1, 0, 0, 0]);
  source.sample();
  expect(source.pads.describe()).toBe("Connected: Test pad");
});

it("takes what isn't a number for rest", () => {
  const source = make();
  pads[0] = pad([Number.NaN, 0, 0, 0], { 6: Number.NaN, 7: 1 });
  expect([...source.sample().action]).toEqual([0, 1, 0]);
});

it("lets go of what a pad held whose place another one of an unknown layout took", () => {
  const source = make();
  pads[0] = pad([1, 0, 0, 0], { 7: 1 });
  source.sample();
  pads[0] = pad([0.5, 0, 0, 0], {}, "");
  expect([...source.sample().action]).toEqual([0, 0, 0]);
});

it("works where the page is forbidden to read gamepads", () => {
  const getGamepads = () => {
    throw new DOMException("Access to the feature is disallowed by permissions policy.", "SecurityError");
  };
  vi.stubGlobal("navigator", { getGamepads });
  const source = make();
  expect([...source.sample().action]).toEqual([0, 0, 0]);
  expect(source.pads.describe()).toMatch(/not to this page/);
});

it("works without the gamepad interface", () => {
  vi.stubGlobal("navigator", {});
  expect([...make().sample().action]).toEqual([0, 0, 0]);
});

it("doesn't go on with what was held when it was told to let go", () => {
  const source = make();
  pads[0] = pad([0, 0, 0, 0], { 7: 1 });
  source.sample();
  source.clear();
  expect([...source.sample().action]).toEqual([0, 0, 0]);
  pads[0] = pad([0, 0, 0, 0]);
  source.sample();
  pads[0] = pad([0, 0, 0, 0], { 7: 1 });
  expect([...source.sample().action]).toEqual([0, 1, 0]);
});

it("stops listening when it is closed", () => {
  const source = make();
  source.close();
  pads[0] = pad([0, 0, 0, 0], { 7: 1 });
  source.pads.update();
  expect(source.sample().since).toBeUndefined();
  source.pads.close();
  page.dispatchEvent(new Event("error"));
  expect(onFrame).toBeUndefined();
});

function pressesOf(): { seen: string[]; update(...now: (Gamepad | null)[]): void } {
  const all = createPads();
  const seen: string[] = [];
  all.presses.subscribe(({ button, isDown }: PadPress) => seen.push(`${button} ${isDown ? "down" : "up"}`));
  return {
    seen,
    update(...now) {
      pads = [...now, null, null, null, null].slice(0, 4);
      all.update();
    },
  };
}
const still = [0, 0, 0, 0];

it("tells each press once, however the value trembles, and its release", () => {
  const { seen, update } = pressesOf();
  update(pad(still));
  for (const value of [0.2, 0.6, 0.45, 0.55, 1, 0.4, 0.3, 0.45]) update(pad(still, { 9: value }));
  expect(seen).toEqual(["menu down", "menu up"]);
});

it("takes the press that makes the browser show a pad for no command", () => {
  const { seen, update } = pressesOf();
  update(pad(still, { 3: 1 }));
  update(pad(still));
  expect(seen).toEqual([]);
  update(pad(still, { 3: 1 }));
  expect(seen).toEqual(["y down"]);
});

it("counts a button that two pads hold as one, and lets go of what an unplugged pad held", () => {
  const { seen, update } = pressesOf();
  update(pad(still), pad(still));
  update(pad(still, { 4: 1 }), pad(still));
  update(pad(still, { 4: 1 }), pad(still, { 4: 1 }));
  update(pad(still), pad(still, { 4: 1 }));
  expect(seen).toEqual(["leftBumper down"]);
  update(pad(still), null);
  expect(seen).toEqual(["leftBumper down", "leftBumper up"]);
});
