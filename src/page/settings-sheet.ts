/** The settings sheet: picture, figures, keys and gamepad. Changes apply at once. Loaded when first opened. */
import { defaultBindings, isReserved, keyName, rebind } from "../action/bindings";
import { ENGINE_CHOICES, type EngineChoice } from "../model/engine-choice";
import { COMMANDS } from "./controls";
import { make } from "./elements";
import type { Session } from "./session";
import type { Settings } from "./settings";
import { openSheet } from "./sheet";
import { storageView } from "./storage-sheet";

export function openSettings(session: Session): void {
  const { settings, gamepad, loop } = session;
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
  const zoneValue = make("output", { textContent: String(now.deadZone) });
  const zone = make("input", { type: "range", min: "0", max: "0.5", step: "0.01", value: String(now.deadZone) });
  zone.oninput = () => {
    zoneValue.textContent = zone.value;
    set({ deadZone: Number(zone.value) });
  };
  const pad = make("p", { className: "note", textContent: gamepad.describe() });
  const watch = setInterval(() => {
    pad.textContent = gamepad.describe();
  }, 500);

  const dialog = openSheet(
    loop,
    "Settings",
    make("label", { className: "row" }, "Picture", filter),
    make("label", { className: "check" }, figures, "Show the figures"),
    make("label", { className: "check" }, smooth, "Smooth keys: a held key reaches full deflection gradually"),
    make("label", { className: "row" }, "Engine, from the next visit on", engine),
    make("p", { className: "note", textContent: `Now: ${describe(session.world.backend)}` }),
    make("h3", { textContent: "Keys" }),
    keyTable(session),
    make("h3", { textContent: "Gamepad" }),
    pad,
    make("label", { className: "row" }, "Dead zone of the sticks", zone, zoneValue),
    make("h3", { textContent: "On this device" }),
    storageView(session.world.packageSha256),
  );
  dialog.addEventListener("close", () => clearInterval(watch), { once: true });
}

const ENGINES: Record<EngineChoice, string> = {
  auto: "The faster",
  own: "Our own",
  ort: "onnxruntime",
};

const describe = ({ name, threads, detail }: Session["world"]["backend"]) =>
  `${name}, ${threads} ${threads > 1 ? "threads" : "thread"}${detail ? ` (${detail})` : ""}`;

/** One row per key of the world; a button in it waits for another key. */
function keyTable(session: Session): HTMLElement {
  const { bindings, world } = session;
  const box = make("div", {});
  const note = make("p", { className: "note" });
  note.setAttribute("role", "status");
  const fill = (focused?: number) => {
    const rows = bindings.value.map((binding, index) => {
      const change = make("button", { type: "button", textContent: keyName(binding.code) });
      change.setAttribute("aria-label", `${binding.action} ${binding.value}: ${keyName(binding.code)}. Change the key`);
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
        change.textContent = keyName(bindings.value[row]?.code ?? "");
      },
      { signal: stop.signal },
    );
  };
  fill();
  return box;
}

/** Gives a row another key and says in words what happened. */
function assign({ bindings }: Session, row: number, code: string): string {
  if (isReserved(code)) return `${code ? keyName(code) : "This key"} belongs to the browser. Choose another key.`;
  const command = COMMANDS.find((candidate) => candidate.code === code);
  if (command) return `${keyName(code)} works the page (${command.label}). Choose another key.`;
  const result = rebind(bindings.value, row, code);
  if ("conflict" in result) {
    const { action, value } = result.conflict;
    return `${keyName(code)} already does ${action} ${signed(value)}. Choose another key, or change that one first.`;
  }
  bindings.next(result.bindings);
  return `${keyName(code)} it is.`;
}

const signed = (value: number) => (value > 0 ? `+${value}` : String(value).replace("-", "−"));
