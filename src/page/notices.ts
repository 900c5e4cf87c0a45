/**
 * What the page says besides the picture, where one looks, over the view or above the gallery: the veil (loading, paused),
 * alerts that stop the world, notices that don't, and a line for screen readers.
 */
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
  readonly isError?: boolean;
  /** Pads walk in it as in a sheet: for notices that the world waits for. */
  readonly takesPad?: boolean;
  /** Called once, however it is closed. */
  readonly onClose?: () => void;
}

const MOST_NOTICES = 3;

const isGallery = () => document.body.dataset.view === "gallery";

/** Shows a notice over the view, or above the gallery's worlds, until somebody closes it, or a newer one of the same title comes. @returns closes it */
export function notify({
  title,
  content,
  remedies = [],
  isError = false,
  takesPad = false,
  onClose,
}: Notice): () => void {
  const list = element(isGallery() ? "gallery-notices" : "notices", HTMLElement);
  const box = make("section", { className: isError ? "notice error" : "notice" });
  box.dataset.title = title;
  if (takesPad) box.dataset.padScope = "";
  box.ariaLabel = title;
  let isOpen = true;
  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    const hadFocus = box.contains(document.activeElement);
    box.remove();
    if (hadFocus) element(isGallery() ? "previews" : "view", HTMLElement).focus();
    onClose?.();
  };
  const shut = make("button", { type: "button", textContent: "✕", ariaLabel: `Close: ${title}`, onclick: close });
  const buttons = remedies.map(({ label, run }) =>
    make("button", {
      type: "button",
      textContent: label,
      onclick() {
        close();
        run();
      },
    }),
  );
  box.append(make("strong", {}, title), shut, ...content);
  if (buttons.length > 0) box.append(make("div", { className: "choices" }, ...buttons));
  box.addEventListener("worldloop:close", close);
  const others = [...list.children] as HTMLElement[];
  const replaced = others.filter(({ dataset }) => dataset.title === title);
  const kept = others.filter((other) => !replaced.includes(other));
  const crowded = kept.slice(0, Math.max(0, kept.length - MOST_NOTICES + 1));
  list.append(box);
  if (takesPad) buttons[0]?.focus();
  for (const old of [...replaced, ...crowded]) old.dispatchEvent(new Event("worldloop:close"));
  return close;
}

/** An error that left the world as it was: what was to be done, why it wasn't, and what can be. */
export function complain(what: string, error: Error, remedies: readonly Remedy[] = []): void {
  notify({ title: what, content: [make("p", {}, error.message)], remedies, isError: true });
}

/** Shows what nobody caught. @returns a way to stop */
export function watchUncaught(): () => void {
  const stop = new AbortController();
  const { signal } = stop;
  const tell = (reason: unknown) => {
    const error = reason instanceof Error ? reason : new Error(String(reason));
    if (error.name === "AbortedError" || error.name === "AbortError") return;
    complain("Something on this page failed", error, [{ label: "Reload the page", run: () => location.reload() }]);
  };
  window.addEventListener("unhandledrejection", ({ reason }) => tell(reason), { signal });
  // Without an error it is a remark of the browser's own, such as that a resize was told a frame late.
  window.addEventListener("error", ({ error }) => error && tell(error), { signal });
  return () => stop.abort();
}
