/**
 * How this world is played, read off its own tables: on a keyboard, a pad, or by touch. Data and words for whoever shows
 * them: the first-run help, the help sheet, the legend.
 */
import { keyWords } from "../action/bindings";
import { padControlName } from "../action/pad-layout";
import { touchZones } from "../action/touch";
import { make } from "./elements";
import { keyLabels } from "./key-labels";
import { pagePads } from "./pad-navigation";
import type { Session } from "./session";

export type Device = "keyboard" | "pad" | "touch";

/** What one action of the world is done with, on one device. */
export interface Row {
  readonly action: string;
  /** Short names, as printed. */
  readonly controls: readonly string[];
  /** The same in words that can be read aloud. */
  readonly words: string;
}

/** The device that this person most likely plays with: a pad that is there, else fingers, else keys. */
export function likelyDevice(): Device {
  if (pagePads().pads.states().length > 0) return "pad";
  return matchMedia("(pointer: coarse)").matches ? "touch" : "keyboard";
}

export function rowsFor(device: Device, { world, bindings }: Session): Row[] {
  const { actions } = world.manifest;
  if (device === "touch") {
    return touchZones(actions).map(({ label, kind }) => ({ action: label, controls: [kind], words: kind }));
  }
  return actions.map((spec) => {
    if (device === "pad") {
      const name = padControlName(spec.gamepad, pagePads().pads.states()[0]?.id);
      return { action: spec.name, controls: [name], words: name };
    }
    const codes = bindings.value
      .filter(({ action }) => action === spec.name)
      .sort((a, b) => a.value - b.value)
      .map(({ code }) => code);
    const label = keyLabels.value;
    return { action: spec.name, controls: codes.map(label), words: codes.map((c) => keyWords(c, label)).join(", ") };
  });
}

/** One line for a screen reader: "steer: left arrow, right arrow. gas: up arrow." */
export const inWords = (rows: readonly Row[]): string =>
  rows.map(({ action, words }) => `${action}: ${words || "no key"}.`).join(" ");

/** The rows as a list; each action has the colour that it has in the pictures. */
export function rowList(rows: readonly Row[]): HTMLElement {
  return make(
    "dl",
    { className: "rows" },
    ...rows.map(({ action, controls }, i) => {
      const name = make("dd", {}, action);
      name.dataset.hue = String(i % HUES);
      return make("div", {}, make("dt", {}, ...controls.map((control) => make("kbd", {}, control))), name);
    }),
  );
}

/** Colours of `style.css`, by the action's place in the table. */
export const HUES = 6;
