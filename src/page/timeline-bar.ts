/**
 * The bar under the picture: the whole session of the branch that is played, with thumbnails, where branches part, and a
 * handle that goes to any tick. Time itself is `seeking.ts`'s; branches and saved sessions have sheets of their own.
 */
import { throttleTime } from "rxjs";
import type { Point } from "../model/branch-tree";
import type { Thumbnail } from "../model/thumbnail";
import { button, element } from "./elements";
import type { Session } from "./session";
import { drawStrip, pictureOf } from "./strip";
import "./timeline.css";
import { watchOrPause } from "./watch";

/** Seconds that the bar is long at least, so that it doesn't shrink before one's eyes at the beginning. */
const SHORTEST = 10;
/** ms between two drawings of the strip. */
const DRAW_PERIOD = 400;
/** ms that the pointer rests before the picture follows it; letting go is followed at once. */
const REST = 120;

/** minutes:seconds of a tick. */
export function clockTime(tick: number, frameRate: number): string {
  const seconds = Math.floor(tick / frameRate);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** @param signal ends it */
export function connectTimelineBar(session: Session, signal: AbortSignal): void {
  const { world, loop, seeking } = session;
  const { journal } = world;
  const { frameRate } = world.manifest;
  const time = (tick: number) => clockTime(tick, frameRate);

  const bar = element("timeline", HTMLElement);
  const scrub = element("scrub", HTMLElement);
  const strip = element("strip", HTMLCanvasElement);
  const handle = element("handle", HTMLElement);
  const bubble = element("bubble", HTMLElement);
  const bubblePicture = element("bubble-picture", HTMLCanvasElement);
  const bubbleText = element("bubble-text", HTMLElement);
  const shown = element("clock", HTMLOutputElement);
  const stop = button("stop-seeking");
  stop.onclick = () => {
    seeking.cancel();
    scrub.focus();
  };
  bar.hidden = false;

  /** The branch that is played, from its first tick to its last. */
  const range = () => {
    const { branch } = seeking.goal();
    const end = journal.branches().find(({ id }) => id === branch)?.end ?? 0;
    const first = journal.first;
    return { branch, first, end, span: Math.max(end - first, SHORTEST * frameRate) };
  };
  const share = (tick: number) => {
    const { first, span } = range();
    return (tick - first) / span;
  };

  const showPosition = () => {
    const { first, end, branch } = range();
    const { tick } = seeking.goal();
    const name = journal.branches().find(({ id }) => id === branch)?.name ?? "";
    handle.style.left = `${100 * share(tick)}%`;
    // While it runs once a second: a screen reader whose focus is here reads every change.
    if (loop.state.value.name !== "running" || tick % Math.round(frameRate) === 0) {
      scrub.setAttribute("aria-valuemin", String(first));
      scrub.setAttribute("aria-valuemax", String(end));
      scrub.setAttribute("aria-valuenow", String(tick));
      scrub.setAttribute("aria-valuetext", `${time(tick)} of ${time(end)}, tick ${tick} of ${end}, ${name}`);
    }
    const way = seeking.progress.value;
    shown.textContent = way ? `${way.done} of ${way.total} ticks` : `${time(tick)} / ${time(end)}`;
    stop.hidden = way === null;
    shown.classList.toggle("busy", way !== null);
    button("watch").disabled = !session.frame() || tick >= end;
  };
  const showStrip = () => {
    const { branch, end, first, span } = range();
    const to = { branch, tick: end };
    const onWay = ({ point }: { point: Point }) => journal.shared(point, to) >= point.tick;
    const partings = journal
      .branches()
      .flatMap(({ parting }) => (parting && journal.shared(parting, to) >= parting.tick ? [parting.tick] : []));
    drawStrip(strip, {
      pictures: journal.thumbnails
        .entries()
        .filter(onWay)
        .map(({ point, value }) => ({ at: (point.tick - first) / span, picture: value })),
      partings: [...new Set(partings)].map((tick) => (tick - first) / span),
      length: (end - first) / span,
      now: (seeking.goal().tick - first) / span,
    });
    const count = journal.branches().length;
    const label = button("branches").querySelector("span");
    if (label) label.textContent = count > 1 ? `Branches · ${count}` : "Branches";
  };
  const show = () => {
    showPosition();
    showStrip();
  };

  const tickAt = ({ clientX }: PointerEvent) => {
    const { left, width } = scrub.getBoundingClientRect();
    const { first, end, span, branch } = range();
    const tick = Math.round(first + (span * (clientX - left)) / Math.max(1, width));
    return { branch, tick: Math.min(end, Math.max(first, tick)) };
  };
  const preview = (point: Point | null) => {
    bubble.hidden = point === null;
    if (!point) return;
    const near: Thumbnail | undefined = journal.thumbnails.before(point)?.value;
    if (near) pictureOf(bubblePicture, near);
    bubblePicture.hidden = !near;
    bubbleText.textContent = `${time(point.tick)} · ${point.tick}`;
    bubble.style.left = `clamp(3.4rem, ${100 * share(point.tick)}%, 100% - 3.4rem)`;
  };

  let dragging: number | undefined;
  let resting: ReturnType<typeof setTimeout> | undefined;
  scrub.onpointerdown = (event) => {
    if (dragging !== undefined || event.button !== 0) return;
    dragging = event.pointerId;
    scrub.setPointerCapture(dragging);
    if (loop.state.value.name === "running") loop.pause("Standing still on the timeline.");
    drag(event);
  };
  const drag = (event: PointerEvent) => {
    const point = tickAt(event);
    preview(point);
    if (event.pointerId !== dragging) return;
    handle.style.left = `${100 * share(point.tick)}%`;
    clearTimeout(resting);
    resting = setTimeout(() => seeking.to(point), REST);
  };
  scrub.onpointermove = drag;
  scrub.onpointerup = (event) => {
    if (event.pointerId !== dragging) return;
    clearTimeout(resting);
    dragging = undefined;
    if (event.pointerType !== "mouse") preview(null);
    seeking.to(tickAt(event));
  };
  scrub.onpointercancel = () => {
    clearTimeout(resting);
    dragging = undefined;
    preview(null);
    show();
  };
  scrub.onpointerleave = () => dragging ?? preview(null);
  scrub.onkeydown = (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    const { first, end, branch } = range();
    const { tick } = seeking.goal();
    const steps: Record<string, number> = {
      ...{ ArrowLeft: tick - 1, ArrowDown: tick - 1, ArrowRight: tick + 1, ArrowUp: tick + 1 },
      ...{ PageDown: tick - Math.round(frameRate), PageUp: tick + Math.round(frameRate), Home: first, End: end },
    };
    const to = steps[event.code];
    if (to !== undefined) seeking.to({ branch, tick: Math.min(end, Math.max(first, to)) });
    else if (event.code === "Space" || event.code === "Enter") watchOrPause(session);
    else if (event.code === "Escape" && seeking.progress.value) seeking.cancel();
    else return;
    event.preventDefault();
    event.stopPropagation(); // or the arrows would drive
    showPosition();
  };

  const subscriptions = [
    loop.frames.subscribe(() => dragging ?? showPosition()),
    loop.frames.pipe(throttleTime(DRAW_PERIOD, undefined, { leading: true, trailing: true })).subscribe(showStrip),
    loop.state.subscribe(showPosition),
    seeking.progress.subscribe(showPosition),
  ];
  const resized = new ResizeObserver(showStrip);
  resized.observe(scrub);
  document.addEventListener("worldloop:branches", show, { signal });
  signal.addEventListener("abort", () => {
    for (const subscription of subscriptions) subscription.unsubscribe();
    bar.hidden = true;
    resized.disconnect();
    clearTimeout(resting);
  });
}

/** After branches were named or deleted elsewhere: the bar shows them anew. */
export const branchesChanged = (): boolean => document.dispatchEvent(new Event("worldloop:branches"));
