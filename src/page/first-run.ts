/**
 * The first visit to a world, and the first pad in it: over the picture, the keys, the pad or the touch controls that
 * drive it, lit as they are used. The first action puts it away for good; `help-sheet.ts` has it all again.
 */
import type { Subscription } from "rxjs";
import { pageClock } from "../loop/clock";
import { element, make } from "./elements";
import { type Device, inWords, likelyDevice, rowList, rowsFor } from "./how-to-play";
import { keyLabels, loadKeyLabels } from "./key-labels";
import { drawKeyboard } from "./keyboard-picture";
import { pagePads } from "./pad-navigation";
import { drawPad } from "./pad-picture";
import type { Session } from "./session";
import { keep, recall } from "./settings";

/** ms. A pad is first seen when something is pressed on it: that press isn't the one that puts the help away. */
const LEAST_MS = 700;

const TITLES = { keyboard: "These keys drive it", pad: "This is how the pad drives it", touch: "Touch drives it" };

/** @returns a way to put it away, when another world is opened */
export function connectFirstRun(session: Session): () => void {
  const { world, loop, bindings } = session;
  const { pads } = pagePads();
  const name = `helped:${world.manifest.name}`;
  const kept = recall(name);
  const helped = new Set<unknown>(Array.isArray(kept) ? kept : []);
  let shown: { readonly since: number; readonly device: Device; remove(): void } | undefined;

  const putAway = () => {
    if (!shown) return;
    helped.add(shown.device);
    keep(name, [...helped]);
    shown.remove();
    shown = undefined;
  };
  const open = (device: Device) => {
    shown?.remove();
    shown = { since: pageClock.now(), device, remove: show(session, device, putAway) };
  };
  void loadKeyLabels();
  const watching: Subscription[] = [
    loop.frames.subscribe(({ frame, inputToFrameMs }) => {
      if (shown) {
        if (inputToFrameMs !== undefined && pageClock.now() - shown.since > LEAST_MS) putAway();
      } else if (frame.tick === 0 && !session.replaying() && !helped.has(likelyDevice())) open(likelyDevice());
    }),
    pads.changes.subscribe(() => {
      if (session.frame() && !session.replaying() && pads.states().length > 0 && !helped.has("pad")) {
        helped.add("pad"); // shown once, also when it is put away at once
        open("pad");
      }
    }),
    bindings.subscribe(() => describeView(session)),
    keyLabels.subscribe(() => describeView(session)),
  ];
  return () => {
    for (const subscription of watching) subscription.unsubscribe();
    shown?.remove();
  };
}

/** What a screen reader says of the picture when it comes to it. */
function describeView(session: Session): void {
  element("view", HTMLElement).setAttribute("aria-description", inWords(rowsFor("keyboard", session)));
}

/** @param putAway called by its own button and by Escape. @returns takes it off the page */
function show(session: Session, device: Device, putAway: () => void): () => void {
  const { picture, rows, end } = picturesOf(session, device);
  const stop = new AbortController();
  const shut = make("button", { type: "button", textContent: "✕", ariaLabel: "Put this help away", onclick: putAway });
  const again =
    device === "keyboard"
      ? "The first key puts this away; ? brings it back."
      : "It goes when you begin; Help brings it back.";
  element("first-run", HTMLElement).replaceChildren(
    make(
      "section",
      { className: "notice" },
      make("strong", {}, TITLES[device]),
      shut,
      ...(picture ? [picture] : []),
      rows,
      make("p", { className: "note" }, again),
    ),
  );
  window.addEventListener("keydown", ({ key }) => key === "Escape" && putAway(), { signal: stop.signal });
  return () => {
    stop.abort();
    end();
    if (document.activeElement === shut) element("view", HTMLElement).focus();
    element("first-run", HTMLElement).replaceChildren();
  };
}

/** The picture of a device, if it has one, and its rows. */
export function picturesOf(
  session: Session,
  device: Device,
): { readonly picture: SVGElement | null; readonly rows: HTMLElement; readonly end: () => void } {
  const { world, bindings } = session;
  const rows = rowList(rowsFor(device, session));
  if (device === "touch") return { picture: null, rows, end: () => undefined };
  const drawn =
    device === "pad"
      ? drawPad(world.manifest.actions, pagePads().pads)
      : drawKeyboard(world.manifest.actions, bindings.value);
  return { picture: drawn.picture, rows, end: drawn.stop };
}
