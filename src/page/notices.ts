/** What the page says besides the picture: the veil over it (loading, paused), alerts, and a line for screen readers. */
import type { Progress } from "../model/worker-api";
import { element, make } from "./elements";

/** A line that screen readers read aloud. */
export function announce(text: string): void {
  element("status", HTMLElement).textContent = text;
}

/** Covers the picture with a text; null uncovers it. */
export function veil(text: string | null): void {
  element("veil", HTMLElement).hidden = text === null;
  element("veil-text", HTMLElement).textContent = text;
  element("progress", HTMLProgressElement).hidden = true;
}

/** Covers the picture with how far the world has come. */
export function veilProgress({ phase, loaded, total }: Progress): void {
  const inMegabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  const downloading = phase === "download" && total > 0;
  veil(downloading ? `Fetching the world: ${inMegabytes(loaded)} of ${inMegabytes(total)} MB` : "Waking the network …");
  const bar = element("progress", HTMLProgressElement);
  bar.hidden = false;
  if (downloading) Object.assign(bar, { max: total, value: loaded });
  else bar.removeAttribute("value");
}

export interface Remedy {
  readonly label: string;
  readonly run: () => void;
}

/** An error over the picture: its name, what it says, and buttons for what can be done. */
export function showAlert(error: Error, remedies: readonly Remedy[]): void {
  const buttons = remedies.map(({ label, run }) =>
    make("button", { type: "button", textContent: label, onclick: run }),
  );
  const box = element("alert", HTMLElement);
  const title = error.name === "OfflineError" ? "Not on this device" : error.name;
  box.replaceChildren(make("strong", {}, title), make("p", {}, error.message), ...buttons);
  box.hidden = false;
  buttons[0]?.focus();
}

export function hideAlert(): void {
  element("alert", HTMLElement).hidden = true;
}

export interface Notice {
  readonly title: string;
  readonly content: readonly (Node | string)[];
  readonly remedies?: readonly Remedy[];
}

/** Shows a notice over the view until somebody closes it, or a newer one of the same title comes. */
export function notify({ title, content, remedies = [] }: Notice): void {
  const list = element("notices", HTMLElement);
  for (const older of list.querySelectorAll<HTMLElement>(".notice")) if (older.dataset.title === title) older.remove();
  const box = make("section", { className: "notice", ariaLabel: title });
  box.dataset.title = title;
  const close = () => {
    box.remove();
    element("view", HTMLElement).focus();
  };
  const buttons = remedies.map(({ label, run }) =>
    make("button", { type: "button", textContent: label, onclick: run }),
  );
  const shut = make("button", { type: "button", textContent: "✕", ariaLabel: `Close: ${title}`, onclick: close });
  box.append(
    make("strong", {}, title),
    shut,
    make("p", {}, ...content),
    make("div", { className: "choices" }, ...buttons),
  );
  list.append(box);
}
