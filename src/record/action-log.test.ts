import { expect, test } from "vitest";
import { carActions } from "../action/car.fixture";
import { formatActionLog, parseActionLog } from "./action-log";

const LINE = '{"steer": 0, "gas": 0.5, "brake": 0}';

test("a log comes back as it was written, in short numbers", () => {
  const actions = [Float32Array.of(-0.1, 1, 0), Float32Array.of(1 / 3, 0.8, 0)];
  const text = formatActionLog(carActions, actions);
  expect(text.split("\n")[0]).toBe('{"steer":-0.1,"gas":1,"brake":0}');
  expect(parseActionLog(carActions, text)).toEqual({ actions, told: [] });
});

test("a line may say what the world is told from its tick on", () => {
  const actions = [Float32Array.of(0, 1, 0), Float32Array.of(0, 0.5, 0), Float32Array.of(0, 0, 0)];
  const told = [{ tick: 2, text: "night, snow" }];
  const text = formatActionLog(carActions, actions, undefined, told);
  expect(text.split("\n")[1]).toBe('{"steer":0,"gas":0.5,"brake":0,"prompt":"night, snow"}');
  expect(parseActionLog(carActions, text)).toEqual({ actions, told });
  const own = [...carActions, { ...carActions[0], name: "prompt" }] as typeof carActions; // a world's own action comes first
  expect(parseActionLog(own, '{"steer": 0, "gas": 0, "brake": 0, "prompt": 1}').told).toEqual([]);
});

test("the last newline may be missing, and lines may begin and end as on Windows", () => {
  expect(parseActionLog(carActions, LINE).actions).toHaveLength(1);
  expect(parseActionLog(carActions, `${LINE}\r\n${LINE}\r\n`).actions).toHaveLength(2);
  expect(parseActionLog(carActions, `\uFEFF${LINE}\r\n`).actions).toHaveLength(1);
  expect(parseActionLog(carActions, "")).toEqual({ actions: [], told: [] });
});

test.each([
  [`${LINE}\nsteer 1`, "line 2: expected a JSON object with steer, gas, brake, got steer 1"],
  [`${LINE}\n\n${LINE}`, "line 2: expected a JSON object with steer, gas, brake, got an empty line"],
  ['{"steer": 3, "gas": 0, "brake": 0}', "line 1: steer: expected a number in [-1, 1], got 3"],
  ['{"steer": true, "gas": 0, "brake": 0}', "line 1: steer: expected a number in [-1, 1], got true"],
  [
    '{"steer": 0, "gas": 0, "brake": 0, "prompt": ""}',
    'line 1: prompt: expected words, such as "night, snow", got none',
  ],
  ['{"steer": 0, "gas": 0, "brake": 0, "prompt": 7}', "line 1: prompt: expected a text, got number"],
  ['{"steer": 0, "gas": 0}', "line 1: brake: missing; expected steer, gas, brake"],
])("%j is refused with its line", (text, message) => {
  expect(() => parseActionLog(carActions, text)).toThrow(expect.objectContaining({ name: "RecordingError", message }));
});
