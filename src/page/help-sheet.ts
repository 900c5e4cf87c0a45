/** All the ways to play this world and to work the page, again and in full. Loaded when first opened. */
import { padButtonName } from "../action/pad-layout";
import { commandsOf } from "./controls";
import { make } from "./elements";
import { picturesOf } from "./first-run";
import type { Device } from "./how-to-play";
import { keyLabels, loadKeyLabels } from "./key-labels";
import { pagePads } from "./pad-navigation";
import { padTable } from "./pad-table";
import type { Session } from "./session";
import { openSheet } from "./sheet";

export async function openHelp(session: Session): Promise<void> {
  await loadKeyLabels();
  const { pads } = pagePads();
  const ends: (() => void)[] = [];
  const part = (title: string, device: Device, ...rest: Node[]) => {
    const { picture, rows, end } = picturesOf(session, device);
    ends.push(end);
    return [make("h3", {}, title), ...(picture ? [picture] : []), rows, ...rest];
  };
  const touch = matchMedia("(any-pointer: coarse)").matches ? part("By touch", "touch") : [];
  const dialog = openSheet(
    session.loop,
    `How to play ${session.world.manifest.title}`,
    ...part("By keyboard", "keyboard"),
    ...touch,
    ...(session.world.manifest.prompt ? [make("h3", {}, "By words"), directorHelp()] : []),
    ...part("By gamepad", "pad", make("p", { className: "note" }, pads.describe())),
    make("h3", {}, "The page"),
    commandTable(session),
    make(
      "p",
      { className: "note" },
      "In sheets the d-pad moves, A presses and B goes back. Keys and buttons: Settings.",
    ),
  );
  dialog.addEventListener("close", () => ends.forEach((end) => void end()), { once: true });
}

const directorHelp = () =>
  make(
    "p",
    {},
    "Press / and type what the world shall become, such as “night, snow”; Enter tells it, with the next frame, and the keys drive again. What you leave out stays as it is. Tab or the arrows take a word that is offered; the arrow up brings back what you told before; Escape leaves the line. Words that mean nothing to this world are named while you type.",
  );

/** Every command with its key and its button. The world's own keys come first: a command's key that it uses is left out. */
function commandTable(session: Session): HTMLElement {
  const { world, bindings, settings } = session;
  const commands = commandsOf(session);
  const id = pagePads().pads.states()[0]?.id;
  const table = padTable(commands, world.manifest.actions, settings.value.padButtons);
  const taken = new Set(bindings.value.map(({ code }) => code));
  const rows = commands.map((command) => {
    const { label, code, key } = command;
    const button = table.find((row) => row.command === command)?.button;
    const keyText = key ?? (code && !taken.has(code) ? keyLabels.value(code) : "");
    return make(
      "tr",
      {},
      make("td", {}, label),
      make("td", {}, ...(keyText ? [make("kbd", {}, keyText)] : ["–"])),
      make("td", {}, ...(button ? [make("kbd", {}, padButtonName(button, id))] : ["–"])),
    );
  });
  const head = ["What", "Key", "Gamepad"].map((text) => make("th", { scope: "col", textContent: text }));
  return make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows));
}
