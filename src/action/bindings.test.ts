import { expect, it } from "vitest";
import { defaultBindings, isReserved, keyName, keyWords, rebind, restoreBindings } from "./bindings";
import { carActions } from "./car.fixture";

const defaults = defaultBindings(carActions);

it("begins with the world's keys in table order", () => {
  expect(defaults.map(({ code, action, value }) => `${code} ${action} ${value}`)).toEqual([
    "ArrowLeft steer -1",
    "ArrowRight steer 1",
    "KeyA steer -1",
    "KeyD steer 1",
    "ArrowUp gas 1",
    "ArrowDown brake 0.8",
  ]);
});

it("changes one row's key, and shows a conflict instead of stealing a key", () => {
  const changed = rebind(defaults, 4, "KeyW");
  expect("bindings" in changed && changed.bindings[4]).toEqual({ code: "KeyW", action: "gas", value: 1 });
  expect(rebind(defaults, 4, "ArrowDown")).toEqual({ conflict: defaults[5] });
  expect(rebind(defaults, 4, "ArrowUp")).toEqual({ bindings: defaults });
});

it("restores what was kept when it fits the world, otherwise the defaults", () => {
  const kept = defaults.map((binding, i) => (i === 4 ? { ...binding, code: "KeyW" } : binding));
  expect(restoreBindings(carActions, JSON.parse(JSON.stringify(kept)))).toEqual(kept);
  expect(restoreBindings(carActions, kept.slice(1))).toEqual(defaults);
  expect(restoreBindings(carActions, [{ ...kept[0], action: "jump" }, ...kept.slice(1)])).toEqual(defaults);
  const trap = kept.map((binding, i) => (i === 4 ? { ...binding, code: "Tab" } : binding));
  expect(restoreBindings(carActions, trap)).toEqual(defaults);
  expect(restoreBindings(carActions, "nonsense")).toEqual(defaults);
  expect(restoreBindings(carActions, undefined)).toEqual(defaults);
});

it("reserves the keys that belong to the browser", () => {
  const codes = ["Tab", "Escape", "ControlLeft", "AltRight", "MetaLeft", "", "Unidentified"];
  expect([...codes, "KeyW", "ShiftLeft", "Space", "Enter"].filter(isReserved)).toEqual(codes);
});

it("names keys for people", () => {
  expect(["KeyA", "Digit1", "ArrowLeft", "Space", "Numpad8", "ShiftLeft"].map(keyName)).toEqual([
    ...["A", "1", "←", "Space", "Numpad 8", "Left Shift"],
  ]);
  const french = (code: string) => (code === "KeyQ" ? "A" : keyName(code));
  expect(["ArrowLeft", "KeyQ"].map((code) => keyWords(code, french))).toEqual(["left arrow", "A"]);
});
