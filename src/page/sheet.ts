/** The one dialog of the page; each sheet fills it. The world waits while it is open. */
import type { GameLoop } from "../loop/game-loop";
import { element, giveKeysBack } from "./elements";

/** Opens the dialog with this content. The loop, if there is one, pauses and, if it ran before, goes on when the dialog closes. */
export function openSheet(loop: GameLoop | undefined, title: string, ...content: (Node | string)[]): HTMLDialogElement {
  const dialog = element("sheet", HTMLDialogElement);
  element("sheet-title", HTMLElement).textContent = title;
  element("sheet-body", HTMLElement).replaceChildren(...content);
  const state = loop?.state.value;
  const ran = state?.name === "running" || (state?.name === "paused" && state.resumable);
  if (ran) loop?.pause(`Paused while “${title}” is open.`);
  dialog.addEventListener(
    "close",
    () => {
      if (ran) loop?.resume();
      giveKeysBack();
    },
    { once: true },
  );
  dialog.showModal();
  return dialog;
}
