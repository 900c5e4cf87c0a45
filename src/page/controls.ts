/**
 * The page's own controls: one table of commands with their keys, their pad's buttons and their buttons on the page. The
 * world's controls come first: a command's key that the world uses works the world, and the button on the page remains.
 */
import { wantsKeys } from "../action/keyboard";
import type { PadButton } from "../action/pad-layout";
import type { PadPress } from "../action/pads";
import type { Speed } from "../loop/game-loop";
import { isGuided } from "../model/contract";
import { focusDirector } from "./director";
import { button, element, giveKeysBack } from "./elements";
import { toggleFullScreen } from "./full-screen";
import { keepingOf } from "./keeping";
import { announce, complain } from "./notices";
import { pagePads } from "./pad-navigation";
import { padTable } from "./pad-table";
import type { Session } from "./session";
import { watchOrPause } from "./watch";

export interface Command {
  /** Id of its button, if the page has one. */
  readonly id: string;
  readonly label: string;
  /** `KeyboardEvent.code`; empty for none. */
  readonly code: string;
  /** The character, where it is one that lies elsewhere on each keyboard; the code is then not looked at. */
  readonly key?: string;
  /** On a pad, unless the world needs it or a person chose another: see `pad-table.ts`. */
  readonly pad?: PadButton;
  /** Only where the world takes these. */
  readonly needs?: "prompts" | "guides";
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

const COMMANDS: readonly Command[] = [
  {
    id: "rewind",
    label: "Rewind while held",
    code: "Backspace",
    pad: "leftBumper",
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
    pad: "menu",
    run: ({ loop }) => (loop.state.value.name === "paused" ? loop.resume() : loop.pause("Paused.")),
  },
  { id: "step", label: "One step", code: "Period", pad: "rightBumper", run: ({ loop }) => loop.stepOnce() },
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
    id: "shots",
    label: "Shots",
    code: "KeyT",
    run: (session) => openLate(async () => (await import("./story")).toggleStory(session)),
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
    pad: "down",
    run(session) {
      const now = SPEEDS.findIndex(({ speed }) => speed === session.loop.speed.value);
      setSpeed(session, SPEEDS[(now + 1) % SPEEDS.length]?.speed ?? 1);
    },
  },
  {
    id: "reset",
    label: "Reset",
    code: "KeyR",
    pad: "y",
    run(session) {
      const from = session.beginning.value;
      session.begin(from).then(() => announce(`Reset to the start. Seed ${from.seed}.`));
    },
  },
  {
    id: "toggle-hud",
    label: "Show or hide the figures",
    code: "KeyH",
    pad: "leftStick",
    run: ({ settings }) => settings.next({ ...settings.value, hud: !settings.value.hud }),
  },
  {
    id: "fullscreen",
    label: "Full screen",
    code: "KeyF",
    pad: "rightStick",
    run: () => toggleFullScreen(),
  },
  {
    id: "tell",
    label: "Tell the world something",
    code: "",
    key: "/",
    needs: "prompts",
    run: () => focusDirector(),
  },
  {
    id: "guide",
    label: "Guide",
    code: "KeyG",
    needs: "guides",
    run: (session) => openLate(async () => (await import("./guide-panel")).toggleGuide(session)),
  },
  {
    id: "help",
    label: "Help",
    code: "",
    key: "?",
    pad: "up",
    run: (session) => openLate(async () => (await import("./help-sheet")).openHelp(session)),
  },
  {
    id: "menu",
    label: "Menu",
    code: "",
    pad: "view",
    run: (session) => openLate(async () => (await import("./menu-sheet")).openMenu(session)),
  },
];

/** Those that mean something in this world. */
export const commandsOf = ({ world }: Pick<Session, "world">): readonly Command[] =>
  COMMANDS.filter(({ needs }) => {
    if (needs === "prompts") return world.manifest.prompt !== undefined;
    return needs !== "guides" || isGuided(world.manifest);
  });

/** Some ticks along the branch that is played, forth no further than it is recorded. */
function scrub({ world, seeking }: Session, ticks: number): void {
  const { branch, tick } = seeking.goal();
  const end = world.journal.branches().find(({ id }) => id === branch)?.end ?? tick;
  seeking.to({ branch, tick: Math.min(end, Math.max(world.journal.first, tick + Math.round(ticks))) });
}

export function setSpeed({ loop }: Session, speed: Speed): void {
  loop.speed.next(speed);
  const text = SPEEDS.find((candidate) => candidate.speed === speed)?.label ?? "";
  const label = button("slow").querySelector("span");
  if (label) label.textContent = text;
  announce(text);
}

/** A sheet that loads when it is first opened; what keeps it from opening is shown over the view. */
function openLate(open: () => Promise<void>): void {
  void open().catch((error: Error) => complain("This sheet can't be opened", error));
}

/** Keys that never resume a pause: they belong to the browser, or to finding one's way around the page. */
const QUIET = new Set(["Tab", "Escape", "Shift", "Control", "Alt", "Meta", "CapsLock"]);

/** Connects keys, buttons and pads. @returns a way to disconnect them, when another world is opened */
export function connectControls(session: Session): () => void {
  const closing = new AbortController();
  const { signal } = closing;
  const commands = commandsOf(session);
  for (const command of commands) {
    const control = document.getElementById(command.id);
    if (control instanceof HTMLButtonElement) connectButton(session, command, control, signal);
  }
  let held: Command | undefined;
  const down = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.altKey || event.metaKey || wantsKeys(event.target, event.code)) return;
    const isWorlds = session.bindings.value.some(({ code }) => code === event.code);
    const command = isWorlds ? undefined : commands.find((candidate) => isKeyOf(candidate, event));
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
  element("stage", HTMLElement).addEventListener("pointerdown", () => resume(session), { signal });
  element("touch", HTMLElement).addEventListener("pointerdown", () => resume(session), { signal });
  const pressing = pagePads().unclaimed.subscribe(connectPad(session));

  const leave = () => {
    held = undefined;
    const { name } = session.loop.state.value;
    if (document.body.dataset.headset !== undefined) return; // the page loses the focus to the headset's view of it
    if (name === "running" || name === "rewinding") session.loop.pause("Paused: the page lost the focus.", true);
  };
  window.addEventListener("blur", leave, { signal });
  document.addEventListener("visibilitychange", () => document.hidden && leave(), { signal });
  return () => {
    closing.abort();
    pressing.unsubscribe();
  };
}

/** Whether this key works the command. */
const isKeyOf = ({ code, key }: Command, event: KeyboardEvent) =>
  key === undefined ? code === event.code : key === event.key;

/** Takes the presses that nothing on the page wanted: a command's button runs it, any other ends a pause that the page asked for. */
function connectPad(session: Session): (press: PadPress) => void {
  const held = new Map<PadButton, Command>(); // what is to be released, by the button that it was pressed with
  return ({ button, isDown }) => {
    if (!isDown) {
      held.get(button)?.release?.(session);
      held.delete(button);
      return;
    }
    const table = padTable(commandsOf(session), session.world.manifest.actions, session.settings.value.padButtons);
    const command = table.find((row) => row.button === button)?.command;
    if (!command) return resume(session);
    if (command.release) held.set(button, command);
    command.run(session);
  };
}

/** Goes on from a pause that the page, not the person, asked for. */
function resume({ loop }: Session): void {
  const state = loop.state.value;
  if (state.name === "paused" && state.resumable) loop.resume();
}

function connectButton(session: Session, command: Command, control: HTMLButtonElement, signal: AbortSignal): void {
  control.disabled = false;
  control.hidden = false;
  control.setAttribute("aria-keyshortcuts", command.key ?? command.code.replace("Key", ""));
  control.addEventListener("click", giveKeysBack, { signal });
  const { release } = command;
  if (!release) {
    control.addEventListener("click", () => command.run(session), { signal });
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
  for (const type of ["keydown", "keyup"] as const) control.addEventListener(type, byKey, { signal });
  control.addEventListener("pointerdown", () => press(true), { signal });
  for (const type of ["pointerup", "pointercancel", "pointerleave", "blur"]) {
    control.addEventListener(type, () => press(false), { signal });
  }
}
