import { expect, test } from "vitest";
import { checkAction, nameAction, parseAction } from "./action";
import { carActions } from "./car.fixture";

test("names become the vector in the table's order, and back", () => {
  const action = parseAction({ brake: 0.25, steer: -0.5, gas: 1 }, carActions);
  expect([...action]).toEqual([-0.5, 1, 0.25]);
  expect(nameAction(action, carActions)).toEqual({ steer: -0.5, gas: 1, brake: 0.25 });
});

test.each([
  [{ steer: 3, gas: 0, brake: 0 }, "steer: expected a number in [-1, 1], got 3"],
  [{ steer: 0, gas: -0.1, brake: 0 }, "gas: expected a number in [0, 1], got -0.1"],
  [{ steer: "0", gas: 0, brake: 0 }, 'steer: expected a number in [-1, 1], got "0"'],
  [{ steer: null, gas: 0, brake: 0 }, "steer: expected a number in [-1, 1], got null"],
  [{ steer: 0, gas: 0 }, "brake: missing; expected steer, gas, brake"],
  [{ steer: 0, gas: 0, brake: 0, horn: 1 }, "horn: no such action; expected steer, gas, brake"],
  [[0, 0, 0], "expected an object with steer, gas, brake, got [0,0,0]"],
  [null, "expected an object with steer, gas, brake, got null"],
  [
    { steer: 0, gas: 0, brake: "x".repeat(9000) },
    `brake: expected a number in [0, 1], got "${"x".repeat(73)}…${"x".repeat(24)}"`,
  ],
])("%j is refused", (value, message) => {
  expect(() => parseAction(value, carActions)).toThrow(expect.objectContaining({ name: "ActionError", message }));
});

test("what is nested too deeply to be quoted is refused like the rest", () => {
  const deep = JSON.parse(`${"[".repeat(100_000)}${"]".repeat(100_000)}`);
  expect(() => parseAction({ steer: deep, gas: 0, brake: 0 }, carActions)).toThrow(
    "steer: expected a number in [-1, 1], got something nested too deeply",
  );
  expect(() => parseAction(deep, carActions)).toThrow(expect.objectContaining({ name: "ActionError" }));
});

test("a vector is checked for its length and its range", () => {
  const check = (...values: number[]) => checkAction(Float32Array.from(values), carActions);
  expect(() => check(0, 1, 1)).not.toThrow();
  expect(() => check(0, 1)).toThrow("action: expected 3 values (steer, gas, brake), got 2");
  expect(() => check(0, 0, Number.NaN)).toThrow("brake: expected a number in [0, 1], got NaN");
});

test("a limit that float32 rounds up is still within range", () => {
  const spec = { ...(carActions[1] as (typeof carActions)[number]), max: 0.1 };
  expect(() => checkAction(Float32Array.of(0.1), [spec])).not.toThrow();
});
