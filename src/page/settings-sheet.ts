/** The settings sheet: picture, figures, keys and gamepad. Changes apply at once. Loaded when first opened. */
import { defaultBindings, isReserved, rebind } from "../action/bindings";
import { type PadButton, padButtonName, padControlName } from "../action/pad-layout";
import { ENGINE_CHOICES, type EngineChoice, explain } from "../model/engine-choice";
import { commandsOf } from "./controls";
import { make } from "./elements";
import { keyLabels } from "./key-labels";
import { captureNextPress } from "./pad-navigation";
import { padTable } from "./pad-table";
import type { Session } from "./session";
import type { Settings } from "./settings";
import { openSheet } from "./sheet";
import { storageView } from "./storage-sheet";

export function openSettings(session: Session): void {
  const { settings, loop } = session;
  const { pads } = session.gamepad;
  const set = (change: Partial<Settings>) => settings.next({ ...settings.value, ...change });
  const now = settings.value;

  const filter = make(
    "select",
    { onchange: () => set({ filter: filter.value === "nearest" ? "nearest" : "smooth" }) },
    make("option", { value: "smooth", textContent: "Smooth", selected: now.filter === "smooth" }),
    make("option", { value: "nearest", textContent: "Sharp pixels", selected: now.filter === "nearest" }),
  );
  const figures = make("input", { type: "checkbox", checked: now.hud, onchange: () => set({ hud: figures.checked }) });
  const smooth = make("input", {
    type: "checkbox",
    checked: now.smoothKeys,
    onchange: () => set({ smoothKeys: smooth.checked }),
  });
  const engine = make(
    "select",
    { onchange: () => set({ engine: ENGINE_CHOICES.find((choice) => choice === engine.value) ?? "auto" }) },
    ...ENGINE_CHOICES.map((choice) =>
      make("option", { value: choice, textContent: ENGINES[choice], selected: now.engine === choice }),
    ),
  );
  const shareActions = make("input", {
    type: "checkbox",
    checked: now.shareActions,
    onchange: () => set({ shareActions: shareActions.checked }),
  });
  const zoneValue = make("output", { textContent: String(now.deadZone) });
  const zone = make("input", { type: "range", min: "0", max: "0.5", step: "0.01", value: String(now.deadZone) });
  zone.oninput = () => {
    zoneValue.textContent = zone.value;
    set({ deadZone: Number(zone.value) });
  };
  const pad = make("p", { className: "note", textContent: pads.describe() });
  const watch = setInterval(() => {
    pad.textContent = pads.describe();
  }, 500);

  const dialog = openSheet(
    loop,
    "Settings",
    make("label", { className: "row" }, "Picture", filter),
    make("label", { className: "check" }, figures, "Show the figures"),
    make("label", { className: "check" }, smooth, "Smooth keys: a held key reaches full deflection gradually"),
    make("label", { className: "row" }, "Engine, from the next visit on", engine),
    make("p", { className: "note", textContent: `Now: ${describe(session.world.backend)}` }),
    make("h3", { textContent: "Pictures and clips that you save" }),
    make("label", { className: "check" }, shareActions, "Put my actions into them, so that they can be replayed"),
    make("p", { className: "note", textContent: WHAT_IS_IN_THEM }),
    make("h3", { textContent: "Keys" }),
    keyTable(session),
    make("h3", { textContent: "Gamepad" }),
    pad,
    make("label", { className: "row" }, "Dead zone of the sticks", zone, zoneValue),
    padButtonTable(session),
    make("h3", { textContent: "On this device" }),
    storageView(session.world.packageSha256),
  );
  dialog.addEventListener("close", () => clearInterval(watch), { once: true });
}

const WHAT_IS_IN_THEM =
  "They always say that a neural network generated them, with which world, seed, start and engine, and hold a hash of" +
  " your actions; no name and no place.";

const ENGINES: Record<EngineChoice, string> = {
  auto: "The faster",
  own: "Our own",
  ort: "onnxruntime",
};

const describe = ({ name, threads, machine, ...rest }: Session["world"]["backend"]) => {
  const where = machine === "webgpu" ? [] : [`${threads} ${threads > 1 ? "threads" : "thread"}`]; // a GPU has no such number
  const why = explain(rest);
  return [name, ...where].join(", ") + (why ? ` (${why})` : "");
};

/** One row per key of the world; a button in it waits for another key. */
function keyTable(session: Session): HTMLElement {
  const { bindings, world } = session;
  const box = make("div", {});
  const note = make("p", { className: "note" });
  note.setAttribute("role", "status");
  const fill = (focused?: number) => {
    const rows = bindings.value.map((binding, index) => {
      const change = make("button", { type: "button", textContent: keyLabels.value(binding.code) });
      change.setAttribute(
        "aria-label",
        `${binding.action} ${binding.value}: ${keyLabels.value(binding.code)}. Change the key`,
      );
      change.onclick = () => listen(index, change);
      return make(
        "tr",
        {},
        make("td", {}, binding.action),
        make("td", {}, signed(binding.value)),
        make("td", {}, change),
      );
    });
    const head = make(
      "tr",
      {},
      ...["Action", "Value", "Key"].map((text) => make("th", { scope: "col", textContent: text })),
    );
    const restore = make("button", { type: "button", textContent: "Restore the world's keys" });
    restore.onclick = () => {
      bindings.next(defaultBindings(world.manifest.actions));
      note.textContent = "The world's own keys are back.";
      fill();
    };
    box.replaceChildren(make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows)), note, restore);
    if (focused !== undefined) box.querySelectorAll<HTMLElement>("td button")[focused]?.focus();
  };
  const listen = (row: number, change: HTMLButtonElement) => {
    change.textContent = "Press a key …";
    note.textContent = "Press the new key, or Escape to keep the old one.";
    const stop = new AbortController();
    const take = (event: KeyboardEvent) => {
      event.preventDefault();
      event.stopPropagation();
      stop.abort();
      note.textContent = event.code === "Escape" ? "Nothing changed." : assign(session, row, event.code);
      fill(row);
    };
    window.addEventListener("keydown", take, { capture: true, signal: stop.signal });
    change.addEventListener(
      "blur",
      () => {
        stop.abort();
        change.textContent = keyLabels.value(bindings.value[row]?.code ?? "");
      },
      { signal: stop.signal },
    );
  };
  fill();
  return box;
}

/** One row per command of the page; a button in it waits for another button of the pad. The world's controls are told, not changed. */
function padButtonTable(session: Session): HTMLElement {
  const { settings, world } = session;
  const commands = commandsOf(session);
  const { actions } = world.manifest;
  const { pads } = session.gamepad;
  const box = make("div", {});
  const note = make("p", { className: "note" });
  note.setAttribute("role", "status");
  const id = () => pads.states()[0]?.id;
  const change = (command: string, button: PadButton | null) =>
    settings.next({ ...settings.value, padButtons: { ...settings.value.padButtons, [command]: button } });

  const fill = (focused?: number) => {
    const table = padTable(commands, actions, settings.value.padButtons);
    const worlds = actions.map(({ name, gamepad }) =>
      make("tr", {}, make("td", {}, name), make("td", {}, padControlName(gamepad, id()))),
    );
    const rows = commands.map((command, index) => {
      const button = table.find((row) => row.command === command)?.button;
      const name = button ? padButtonName(button, id()) : "none";
      const choose = make("button", { type: "button", textContent: name });
      choose.ariaLabel = `${command.label}: ${name}. Change the button`;
      choose.onclick = () => listen(index, choose);
      return make("tr", {}, make("td", {}, command.label), make("td", {}, choose));
    });
    const head = ["Action", "Button"].map((text) => make("th", { scope: "col", textContent: text }));
    const restore = make("button", { type: "button", textContent: "Restore the buttons" });
    restore.onclick = () => {
      settings.next({ ...settings.value, padButtons: {} });
      note.textContent = "The page's own buttons are back.";
      fill();
    };
    box.replaceChildren(
      make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...worlds, ...rows)),
      note,
      restore,
    );
    if (focused !== undefined) box.querySelectorAll<HTMLElement>("td button")[focused]?.focus();
  };
  const listen = (index: number, choose: HTMLButtonElement) => {
    const command = commands[index];
    if (!command) return;
    choose.textContent = "Press a button …";
    note.textContent = "Press the new button on the pad. Delete: none. Escape: as it was.";
    const stop = new AbortController();
    const end = (said: string) => {
      stop.abort();
      release();
      note.textContent = said;
      fill(index);
    };
    const release = captureNextPress((button) => {
      const name = padButtonName(button, id());
      const action = actions.find(({ gamepad }) => gamepad === button);
      const other = padTable(commands, actions, settings.value.padButtons).find(
        (row) => row.button === button,
      )?.command;
      if (action) return end(`${name} already does ${action.name} in this world. Choose another button.`);
      if (other && other !== command) return end(`${name} already does “${other.label}”. Change that one first.`);
      change(command.id, button);
      end(`${name} it is.`);
    });
    const byKey = (event: KeyboardEvent) => {
      if (event.key !== "Escape" && event.key !== "Delete" && event.key !== "Backspace") return;
      event.preventDefault();
      event.stopPropagation();
      if (event.key !== "Escape") change(command.id, null);
      end(event.key === "Escape" ? "Nothing changed." : `“${command.label}” has no button now.`);
    };
    window.addEventListener("keydown", byKey, { capture: true, signal: stop.signal });
    choose.addEventListener("blur", () => stop.signal.aborted || end(""), { signal: stop.signal });
  };
  fill();
  return box;
}

/** Gives a row another key and says in words what happened. */
function assign(session: Session, row: number, code: string): string {
  const { bindings } = session;
  if (isReserved(code))
    return `${code ? keyLabels.value(code) : "This key"} belongs to the browser. Choose another key.`;
  const command = commandsOf(session).find((candidate) => candidate.code === code);
  if (command) return `${keyLabels.value(code)} works the page (${command.label}). Choose another key.`;
  const result = rebind(bindings.value, row, code);
  if ("conflict" in result) {
    const { action, value } = result.conflict;
    return `${keyLabels.value(code)} already does ${action} ${signed(value)}. Choose another key, or change that one first.`;
  }
  bindings.next(result.bindings);
  return `${keyLabels.value(code)} it is.`;
}

const signed = (value: number) => (value > 0 ? `+${value}` : String(value).replace("-", "−"));
