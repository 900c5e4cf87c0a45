import { expect, it } from "vitest";
import { carActions } from "../action/car.fixture";
import { type PadCommand, padTable } from "./pad-table";

const commands: PadCommand[] = [
  { id: "rewind", pad: "leftBumper" },
  { id: "pause", pad: "menu" },
  { id: "reset", pad: "y" },
  { id: "log" },
];
const jump = { ...(carActions[1] as (typeof carActions)[number]), name: "jump", gamepad: "y" } as const;
const table = (choices: Parameters<typeof padTable>[2] = {}, actions: Parameters<typeof padTable>[1] = carActions) =>
  padTable(commands, actions, choices).map(({ command, button }) => `${command.id} ${button}`);

it("gives each command its own button, but none that the world uses", () => {
  expect(table()).toEqual(["rewind leftBumper", "pause menu", "reset y"]);
  expect(table({}, [...carActions, jump])).toEqual(["rewind leftBumper", "pause menu"]);
});

it("lets a person choose, and never gives one button to two commands", () => {
  expect(table({ log: "x", pause: null })).toEqual(["rewind leftBumper", "reset y", "log x"]);
  expect(table({ log: "menu" })).toEqual(["rewind leftBumper", "reset y", "log menu"]);
  expect(table({ log: "rightTrigger" })).toEqual(["rewind leftBumper", "pause menu", "reset y"]); // the gas
  expect(table({ gone: "x" })).toEqual(table());
});
