import { expect, it } from "vitest";
import { arrangeKeys } from "./keyboard-picture";

it("draws every key where it lies, none over another", () => {
  const { drawn, missing } = arrangeKeys(["Numpad8", "F5", "PageUp"]);
  expect(missing).toEqual([]);
  expect(new Set(drawn.map(({ code }) => code)).size).toBe(drawn.length);
  for (const one of drawn) {
    const over = drawn.filter(
      (other) => other !== one && other.y === one.y && other.x < one.x + one.width && one.x < other.x + other.width,
    );
    expect({ key: one.code, over }).toEqual({ key: one.code, over: [] });
  }
});

it("draws the keys that few keyboards have only where the world needs them, and names those that have no place", () => {
  const codes = (bound: string[]) => arrangeKeys(bound).drawn.map(({ code }) => code);
  expect(codes(["KeyW", "ArrowUp"])).not.toContain("Numpad8");
  expect(codes(["Numpad8"])).toContain("Numpad8");
  expect(codes(["F12"])).toContain("F12");
  expect(arrangeKeys(["KeyW", "IntlRo", "MediaPlayPause"]).missing).toEqual(["IntlRo", "MediaPlayPause"]);
});
