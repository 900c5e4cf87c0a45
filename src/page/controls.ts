/**
 * The page's own controls: one table of commands with their keys and buttons. The world's keys come first: a command's
 * key that the world uses works the world, and the command's button remains.
 */
import { wantsKeys } from "../action/keyboard";
import type { Speed } from "../loop/game-loop";
import { button, element, giveKeysBack } from "./elements";
import { keepingOf } from "./keeping";
import { announce } from "./notices";
import type { Session } from "./session";
import { watchOrPause } from "./watch";

export interface Command {
  /** Id of its button, if the page has one. */
  readonly id: string;
  readonly label: string;
  /** `KeyboardEvent.code`. */
  readonly code: string;
  /** On a pad of the standard layout, where the world doesn't use it. */
  readonly pad?: string;
  readonly run: (session: Session) => void;
  /** Called when the key or button is let go. */
  readonly release?: (session: Session) => void;
}

const SPEEDS: readonly { speed: Speed; label: string }[] = [
  { speed: 1, label: "Speed 1×" },
  { speed: 0.5, label: "Speed ½×" },
  { speed: 0.25, label: "Speed ¼×" },
];

let pausedBeforeRewind = false;

export const COMMANDS: readonly Command[] = [
  {
    id: "rewind",
    label: "Rewind while held",
    code: "Backspace",
    run({ loop }) {
      const state = loop.state.value;
      pausedBeforeRewind = state.name === "paused" && !state.resumable;
      loop.rewind();
    },
    release({ loop }) {
      if (loop.state.value.name !== "rewinding") return;
      if (pausedBeforeRewind) loop.pause("Paused.");
      else loop.resume();
    },
  },
  {
    id: "pause",
    label: "Pause and go on",
    code: "KeyP",
    run: ({ loop }) => (loop.state.value.name === "paused" ? loop.resume() : loop.pause("Paused.")),
  },
  { id: "step", label: "One step", code: "Period", run: ({ loop }) => loop.stepOnce() },
  { id: "back", label: "One tick back", code: "Comma", run: (session) => scrub(session, -1) },
  {
    id: "second-back",
    label: "One second back",
    code: "BracketLeft",
    pad: "left",
    run: (session) => scrub(session, -session.world.manifest.frameRate),
  },
  {
    id: "second-on",
    label: "One second on, as recorded",
    code: "BracketRight",
    pad: "right",
    run: (session) => scrub(session, session.world.manifest.frameRate),
  },
  { id: "watch", label: "Watch from here", code: "KeyV", pad: "x", run: watchOrPause },
  {
    id: "branches",
    label: "Branches",
    code: "KeyB",
    run: (session) => openLate(async () => (await import("./branches-sheet")).openBranches(session)),
  },
  {
    id: "sessions",
    label: "Sessions",
    code: "KeyO",
    run: (session) =>
      openLate(async () => (await import("./sessions-sheet")).openSessions(session, await keepingOf(session))),
  },
  {
    id: "slow",
    label: "Slow motion",
    code: "KeyM",
    run({ loop }) {
      const now = SPEEDS.findIndex(({ speed }) => speed === loop.speed.value);
      const next = SPEEDS[(now + 1) % SPEEDS.length] ?? { speed: 1, label: "Speed 1×" };
      loop.speed.next(next.speed);
      const label = button("slow").querySelector("span");
      if (label) label.textContent = next.label;
      announce(next.label);
    },
  },
  {
    id: "reset",
    label: "Reset",
    code: "KeyR",
    run(session) {
      const { seed, start } = session.beginning.value;
      session.begin({ seed, start }).then(() => announce(`Reset to the start. Seed ${seed}.`));
    },
  },
  {
    id: "toggle-hud",
    label: "Show or hide the figures",
    code: "KeyH",
    run: ({ settings }) => settings.next({ ...settings.value, hud: !settings.value.hud }),
  },
  {
    id: "fullscreen",
    label: "Full screen",
    code: "KeyF",
    run() {
      const refused = (error: Error) => announce(`No full screen: ${error.message}`);
      if (document.fullscreenElement) document.exitFullscreen().catch(refused);
      else document.documentElement.requestFullscreen().catch(refused);
    },
  },
];

/** Some ticks along the branch that is played, forth no further than it is recorded. */
function scrub({ world, seeking }: Session, ticks: number): void {
  const { branch, tick } = seeking.goal();
  const end = world.journal.branches().find(({ id }) => id === branch)?.end ?? tick;
  seeking.to({ branch, tick: Math.min(end, Math.max(world.journal.first, tick + Math.round(ticks))) });
}

/** A sheet that loads when it is first opened. */
function openLate(open: () => Promise<void>): void {
  void open().catch((error: Error) => announce(`This sheet can't be opened: ${error.message}`));
}

/** Keys that never resume a pause: they belong to the browser, or to finding one's way around the page. */
const QUIET = new Set(["Tab", "Escape", "Shift", "Control", "Alt", "Meta", "CapsLock"]);

/** Connects keys and buttons. @returns lets go of them */
export function connectControls(session: Session): () => void {
  const closing = new AbortController();
  const { signal } = closing;
  for (const command of COMMANDS) {
    const control = document.getElementById(command.id);
    if (control instanceof HTMLButtonElement) connectButton(session, command, control);
  }
  let held: Command | undefined;
  const down = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.altKey || event.metaKey || wantsKeys(event.target, event.code)) return;
    const isWorlds = session.bindings.value.some(({ code }) => code === event.code);
    const command = isWorlds ? undefined : COMMANDS.find(({ code }) => code === event.code);
    if (command) {
      event.preventDefault();
      if (event.repeat) return;
      if (command.release) held = command;
      command.run(session);
    } else if (!QUIET.has(event.key)) resume(session);
  };
  const up = (event: KeyboardEvent) => {
    if (event.code !== held?.code) return;
    held.release?.(session);
    held = undefined;
  };
  window.addEventListener("keydown", down, { signal });
  window.addEventListener("keyup", up, { signal });
  element("stage", HTMLElement).addEventListener("pointerdown", () => resume(session));
  element("touch", HTMLElement).addEventListener("pointerdown", () => resume(session));

  const leave = () => {
    held = undefined;
    const { name } = session.loop.state.value;
    if (name === "running" || name === "rewinding") session.loop.pause("Paused: the page lost the focus.", true);
  };
  window.addEventListener("blur", leave, { signal });
  document.addEventListener("visibilitychange", () => document.hidden && leave(), { signal });
  return () => closing.abort();
}

/** Goes on from a pause that the page, not the person, asked for. */
function resume({ loop }: Session): void {
  const state = loop.state.value;
  if (state.name === "paused" && state.resumable) loop.resume();
}

function connectButton(session: Session, command: Command, control: HTMLButtonElement): void {
  control.disabled = false;
  control.setAttribute("aria-keyshortcuts", command.code.replace("Key", ""));
  control.addEventListener("click", giveKeysBack);
  const { release } = command;
  if (!release) {
    control.addEventListener("click", () => command.run(session));
    return;
  }
  let pressed = false;
  const press = (is: boolean) => {
    if (pressed === is) return;
    pressed = is;
    (is ? command.run : release)(session);
  };
  const byKey = (event: KeyboardEvent) => {
    if (event.code === "Space" || event.code === "Enter") press(event.type === "keydown");
  };
  for (const type of ["keydown", "keyup"] as const) control.addEventListener(type, byKey);
  control.addEventListener("pointerdown", () => press(true));
  for (const type of ["pointerup", "pointercancel", "pointerleave", "blur"]) {
    control.addEventListener(type, () => press(false));
  }
}
