import { describe, expect, it } from "vitest";
import { defaultBindings, rebind } from "./bindings";
import { carActions } from "./car.fixture";
import { createKeyboard } from "./keyboard";

function setUp(smooth = false) {
  const target = new EventTarget();
  const keyboard = createKeyboard(target, {
    actions: carActions,
    bindings: defaultBindings(carActions),
    frameRate: 20, // 0.15 s are three ticks
    smooth,
  });
  /** Sends an event and says whether the page's own reaction to the key was suppressed. */
  const send = (type: string, code = "", more: object = {}) => {
    const event = Object.assign(new Event(type, { cancelable: true }), { code, ...more });
    target.dispatchEvent(event);
    return { time: event.timeStamp, prevented: event.defaultPrevented };
  };
  const values = () => [...keyboard.sample().action].map((value) => Math.round(value * 1000) / 1000);
  return { keyboard, send, values };
}

describe("keyboard", () => {
  it("gives the values of held keys and rest after release", () => {
    const { send, values } = setUp();
    send("keydown", "ArrowLeft");
    send("keydown", "ArrowDown");
    expect(values()).toEqual([-1, 0, 0.8]);
    send("keyup", "ArrowLeft");
    expect(values()).toEqual([0, 0, 0.8]);
  });

  it("keeps a tap between two samples for exactly one sample", () => {
    const { send, values } = setUp();
    send("keydown", "ArrowUp");
    send("keyup", "ArrowUp");
    expect(values()).toEqual([0, 1, 0]);
    expect(values()).toEqual([0, 0, 0]);
  });

  it("adds up keys of one action and clamps", () => {
    const { send, values } = setUp();
    send("keydown", "ArrowLeft");
    send("keydown", "KeyA");
    expect(values()).toEqual([-1, 0, 0]);
    send("keydown", "KeyD");
    send("keydown", "ArrowRight");
    expect(values()).toEqual([0, 0, 0]);
  });

  it("lets go of everything when the window loses focus", () => {
    const { keyboard, send, values } = setUp();
    send("keydown", "ArrowUp");
    send("blur");
    expect(values()).toEqual([0, 0, 0]);
    expect(keyboard.sample().since).toBeUndefined();
  });

  it("tells the time of the oldest change not yet sampled, once", () => {
    const { keyboard, send } = setUp();
    const { time } = send("keydown", "ArrowUp");
    send("keydown", "ArrowLeft");
    expect(keyboard.sample().since).toBe(time);
    expect(keyboard.sample().since).toBeUndefined();
    send("keydown", "ArrowUp", { repeat: true });
    expect(keyboard.sample().since).toBeUndefined();
    const up = send("keyup", "ArrowUp");
    expect(keyboard.sample().since).toBe(up.time);
  });

  it("takes bound keys from the page and leaves the others, shortcuts among them", () => {
    const { send, values } = setUp();
    expect(send("keydown", "ArrowUp").prevented).toBe(true);
    expect(send("keydown", "KeyQ").prevented).toBe(false);
    expect(send("keydown", "KeyA", { ctrlKey: true }).prevented).toBe(false);
    expect(values()).toEqual([0, 1, 0]);
  });

  it("smooth keys ramp two-sided actions by tick, pedals not", () => {
    const { send, values } = setUp(true);
    send("keydown", "ArrowRight");
    send("keydown", "ArrowUp");
    expect([values(), values(), values(), values()]).toEqual([
      [0.333, 1, 0],
      [0.667, 1, 0],
      [1, 1, 0],
      [1, 1, 0],
    ]);
    send("keyup", "ArrowRight");
    expect(values()).toEqual([0.667, 1, 0]);
  });

  it("leaves Tab to the browser, even when a table has it", () => {
    const { keyboard, send, values } = setUp();
    keyboard.configure({ bindings: [{ code: "Tab", action: "gas", value: 1 }] });
    expect(send("keydown", "Tab").prevented).toBe(false);
    expect(values()).toEqual([0, 0, 0]);
  });

  it("follows a change of the table", () => {
    const { keyboard, send, values } = setUp();
    const changed = rebind(defaultBindings(carActions), 4, "KeyW");
    if ("conflict" in changed) throw new Error("expected no conflict");
    keyboard.configure({ bindings: changed.bindings });
    send("keydown", "ArrowUp");
    expect(values()).toEqual([0, 0, 0]);
    send("keydown", "KeyW");
    expect(values()).toEqual([0, 1, 0]);
  });
});
