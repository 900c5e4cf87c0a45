/** What a person chose, kept across visits in localStorage; where that is forbidden or full, for this visit only. */
import { z } from "zod/mini"; // the small zod: the page waits for this file
import { PAD_BUTTONS } from "../action/pad-layout";
import { ENGINE_CHOICES } from "../model/engine-choice";

const settingsSchema = z.object({
  filter: z.enum(["smooth", "nearest"]),
  hud: z.boolean(),
  /** Ramp steering while a key is held instead of jumping. */
  smoothKeys: z.boolean(),
  /** Radius of the sticks' dead zone. */
  deadZone: z.number().check(z.gte(0), z.lte(0.5)),
  /** What runs the network, from the next world that is opened on. */
  engine: z.enum(ENGINE_CHOICES),
  /** Put what was pressed into pictures and clips, so that they can be replayed. */
  shareActions: z.boolean(),
  /** Command → the pad's button that was chosen for it in place of its own; null for none. */
  padButtons: z.catch(z.record(z.string(), z.nullable(z.enum(PAD_BUTTONS))), {}),
});

export type Settings = z.infer<typeof settingsSchema>;

/** The kept settings; the defaults for whatever is missing or damaged. */
export function loadSettings(): Settings {
  const wide = matchMedia("(min-width: 900px)").matches; // on a phone the figures would cover the picture
  const defaults: Settings = {
    filter: "smooth",
    hud: wide,
    smoothKeys: true,
    deadZone: 0.12,
    engine: "auto",
    shareActions: true,
    padButtons: {},
  };
  const parsed = settingsSchema.safeParse({ ...defaults, ...(recall("settings") as object | undefined) });
  return parsed.success ? parsed.data : defaults;
}

/** Keeps a value, as JSON. */
export function keep(name: string, value: unknown): void {
  tolerant(() => localStorage.setItem(`worldloop:${name}`, JSON.stringify(value)));
}

/** A kept value, undefined when there is none. Whoever reads it checks it. */
export function recall(name: string): unknown {
  return tolerant(() => JSON.parse(localStorage.getItem(`worldloop:${name}`) ?? "null") ?? undefined);
}

/** Calls back when another tab has kept a new value: who kept an older one after it would undo what was chosen there. */
export function followKept(name: string, signal: AbortSignal, take: () => void): void {
  window.addEventListener("storage", ({ key }) => key === `worldloop:${name}` && take(), { signal });
}

function tolerant<T>(access: () => T): T | undefined {
  try {
    return access();
  } catch (error) {
    console.info(`Settings aren't kept: ${(error as Error).message}`);
    return undefined;
  }
}
