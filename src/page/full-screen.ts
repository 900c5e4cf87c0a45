/**
 * Full screen: the picture takes it all; header, controls and figures lie over it and hide after two seconds in which
 * nobody moves the pointer or works the page. Driving doesn't bring them back. Browsers that offer no full screen (those
 * of phones that only give it to videos) get the whole viewport instead.
 */
import { button, element } from "./elements";
import type { Session } from "./session";

const IDLE_AFTER_MS = 2000;

/** Set on the body: `native` or `filled`; absent when the page isn't full screen. */
const isFull = () => document.body.dataset.fullScreen !== undefined;

export function toggleFullScreen(): void {
  if (document.fullscreenElement) void document.exitFullscreen();
  else if (isFull()) show(undefined);
  else if (document.fullscreenEnabled) {
    document.documentElement.requestFullscreen({ navigationUI: "hide" }).catch((error: Error) => {
      console.info(`The whole viewport instead of full screen: ${error.message}`); // without a click, as from a pad
      show("filled");
    });
  } else show("filled");
}

function show(how: "native" | "filled" | undefined): void {
  if (how) document.body.dataset.fullScreen = how;
  else delete document.body.dataset.fullScreen;
  delete document.body.dataset.idle;
  button("fullscreen").setAttribute("aria-pressed", String(isFull()));
  const label = button("fullscreen").querySelector("span");
  if (label) label.textContent = isFull() ? "Leave full screen" : "Full screen";
  document.dispatchEvent(new Event("worldloop:full-screen"));
}

/** @returns a way to disconnect it; a page that is full screen stays so */
export function connectFullScreen(session: Session): () => void {
  const closing = new AbortController();
  const { signal } = closing;
  let timer: ReturnType<typeof setTimeout> | undefined;

  const wake = () => {
    clearTimeout(timer);
    delete document.body.dataset.idle;
    if (isFull()) timer = setTimeout(rest, IDLE_AFTER_MS);
  };
  const rest = () => {
    if (isFull() && !isBusy(session)) document.body.dataset.idle = "";
    else wake();
  };
  document.addEventListener("fullscreenchange", () => show(document.fullscreenElement ? "native" : undefined), {
    signal,
  });
  for (const type of ["pointermove", "pointerdown", "focusin", "worldloop:full-screen"]) {
    document.addEventListener(type, wake, { signal });
  }
  window.addEventListener(
    "keydown",
    (event) => {
      const leaves = event.key === "Escape" && document.body.dataset.fullScreen === "filled";
      if (leaves && !document.querySelector("dialog[open]")) show(undefined);
      else if (!session.bindings.value.some(({ code }) => code === event.code)) wake();
    },
    { signal },
  );
  const watching = session.loop.state.subscribe(wake);
  return () => {
    closing.abort();
    clearTimeout(timer);
    watching.unsubscribe();
  };
}

/** While somebody is at the controls, or ought to be, they stay. */
function isBusy({ loop }: Session): boolean {
  const { name } = loop.state.value;
  const atControls = "header, #controls, .notice";
  return (
    (name !== "running" && name !== "rewinding") ||
    document.querySelector("dialog[open]") !== null ||
    document.querySelector(":focus-visible")?.closest(atControls) != null ||
    (matchMedia("(hover: hover)").matches && element("controls", HTMLElement).matches(":hover"))
  );
}
