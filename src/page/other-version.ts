/**
 * A shared drive that was made with another version of the world: its actions can be taken, its pictures won't come.
 * Asks what to do with it.
 */
import type { GameLoop } from "../loop/game-loop";
import { make } from "./elements";
import { openSheet } from "./sheet";

/** Whether to play its actions on all the same; closing the sheet means no. */
export function askToPlayOn(loop: GameLoop): Promise<boolean> {
  return new Promise((resolve) => {
    const on = make("button", { type: "button", textContent: "Play on with its actions" });
    const fresh = make("button", { type: "button", textContent: "Start fresh", className: "primary" });
    const dialog = openSheet(
      loop,
      "Another drive than the one shared",
      make(
        "p",
        {},
        "This link was made with another version of this world. The same actions give other pictures here.",
      ),
      make("div", { className: "row" }, fresh, on),
    );
    let answer = false;
    on.onclick = () => {
      answer = true;
      dialog.close();
    };
    fresh.onclick = () => dialog.close();
    dialog.addEventListener("close", () => resolve(answer), { once: true });
  });
}
