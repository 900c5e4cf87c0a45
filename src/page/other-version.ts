/**
 * A shared drive or a saved session that was made with another version of the world: its actions can be taken, its
 * pictures won't come. Asks what to do with it.
 */
import type { GameLoop } from "../loop/game-loop";
import { make } from "./elements";
import { notify } from "./notices";
import { openSheet } from "./sheet";

/** Says that a shared drive's pictures will be slightly others; nothing is asked, since they hardly differ at first. */
export function tellOtherEngine(made: string, here: string): void {
  const text = `It was made on another engine (${shorten(made)}; here runs ${here}). Rounding differs, so the pictures drift away from those that were shared.`;
  notify({ title: "Nearly the drive that was shared", content: [make("p", {}, text)] });
}

const shorten = (text: string): string => (text.length > 60 ? `${text.slice(0, 60)}…` : text);

/** Whether to play its actions on all the same; closing the sheet means no. */
export function askToPlayOn(loop: GameLoop, what: "link" | "session" = "link"): Promise<boolean> {
  return new Promise((resolve) => {
    const on = make("button", { type: "button", textContent: "Play on with its actions" });
    const fresh = make("button", {
      type: "button",
      textContent: what === "link" ? "Start fresh" : "Leave it",
      className: "primary",
    });
    const dialog = openSheet(
      loop,
      what === "link" ? "Another drive than the one shared" : "Another session than the one saved",
      make(
        "p",
        {},
        `This ${what} was made with another version of this world. The same actions give other pictures here.`,
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
