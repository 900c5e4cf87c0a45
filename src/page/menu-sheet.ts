/** Everything that the page's buttons do, in one sheet: for pads, and for a full screen whose buttons are hidden. */
import { commandsOf } from "./controls";
import { make } from "./elements";
import type { Session } from "./session";
import { openSheet } from "./sheet";

/** Buttons of the page that are worked from here too, by their ids; those of the commands come before them. */
const OTHERS = ["starts", "dice", "screenshot", "clip", "log", "share", "settings", "about"];

export function openMenu(session: Session): void {
  const grid = make("div", { className: "menu" });
  const goOn = make("button", { type: "button", textContent: "Go on" });
  grid.append(goOn);
  const dialog = openSheet(session.loop, "Menu", grid);
  goOn.onclick = () => dialog.close();
  const commands = commandsOf(session).filter(({ id, release }) => id !== "menu" && id !== "pause" && !release);
  for (const command of commands) add(command.label, () => command.run(session));
  for (const id of OTHERS) {
    const control = document.getElementById(id);
    if (!(control instanceof HTMLButtonElement) || control.disabled) continue;
    add(control.ariaLabel ?? control.textContent.trim(), () => control.click());
  }
  goOn.focus();

  /** Runs after the sheet is closed and the world goes on, as if the button on the page had been pressed. */
  function add(label: string, run: () => void): void {
    const item = make("button", { type: "button", textContent: label });
    item.onclick = () => {
      dialog.addEventListener("close", () => setTimeout(run), { once: true });
      dialog.close();
    };
    grid.append(item);
  }
}
