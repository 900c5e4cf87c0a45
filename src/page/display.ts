/** Shows the session's state: body attributes, veil, alerts, figures and the legend of keys. A sink: it only reads. */
import { distinctUntilChanged, map, Subscription, skip, throttleTime } from "rxjs";
import type { LoopState } from "../loop/game-loop";
import { percentile } from "../loop/stats";
import { createHud } from "../view/hud";
import { commandsOf } from "./controls";
import { button, element, make } from "./elements";
import { keyLabels } from "./key-labels";
import { announce, hideAlert, showAlert, veil, watchUncaught } from "./notices";
import type { Session } from "./session";

const HUD_PERIOD_MS = 300;

/** @returns a way to disconnect it, when another world is opened */
export function connectDisplay(session: Session): () => void {
  const watching = new Subscription();
  let crashed = false; // the worker is gone; stays so through restarts that fail
  const states = session.loop.state.subscribe((state) => {
    if (state.name === "failed") crashed ||= state.error.name === "WorkerCrashError";
    else if (state.name !== "loading") crashed = false;
    showState(session, state, crashed);
  });
  watching.add(states);
  watching.add(session.bindings.subscribe(() => showLegend(session)));
  watching.add(keyLabels.subscribe(() => showLegend(session)));
  watching.add(
    session.settings.subscribe(({ hud }) => {
      element("hud", HTMLElement).hidden = !hud;
      button("toggle-hud").setAttribute("aria-pressed", String(hud));
    }),
  );
  const replaying = session.loop.frames.pipe(map(session.replaying), distinctUntilChanged(), skip(1));
  watching.add(replaying.subscribe((is) => is || announce("The replay is over: you are driving.")));
  watching.add(connectHud(session));
  watching.add(watchUncaught());
  return () => watching.unsubscribe();
}

function showState(session: Session, state: LoopState, crashed: boolean): void {
  const { loop, world, beginning } = session;
  document.body.dataset.worldloopState = state.name === "failed" ? (crashed ? "crashed" : "error") : state.name;
  const label = button("pause").querySelector("span");
  if (label) label.textContent = state.name === "paused" ? "Go on" : "Pause";
  if (state.name !== "failed") hideAlert();
  if (state.name === "running") {
    veil(null);
    announce(session.replaying() ? "Replaying a recorded drive. Touch a control to take over." : "Running.");
  } else if (state.name === "rewinding") {
    veil(null);
    announce("Rewinding. Let go to branch off from there.");
  } else if (state.name === "paused") {
    const how = state.resumable ? " Press any key or click to go on." : "";
    veil(state.resumable ? state.reason + how : null);
    announce(state.reason + how);
  } else if (state.name === "failed") {
    veil("");
    const again = (call: Promise<void>) => void call.then(() => loop.resume());
    const restart = { label: "Restart", run: () => again(loop.exclusive(() => world.restart())) };
    const reset = { label: "Reset", run: () => again(session.begin(beginning.value)) };
    const reload = { label: "Reload the page", run: () => location.reload() };
    // A restart refused by name finds another package each time; before the first frame a reset would lose the replay.
    if (state.error.name === "ResetError" || !(crashed || session.frame())) showAlert(state.error, [reload]);
    else showAlert(state.error, [crashed ? restart : reset, reload]);
  }
}

function connectHud(session: Session): Subscription {
  const { loop, signal, world, view, settings, beginning } = session;
  const show = createHud(element("hud", HTMLElement).querySelector("dl") ?? element("hud", HTMLElement));
  const sparkline = element("sparkline", HTMLElement);
  let drawSparkline: ((tickMs: readonly number[]) => void) | undefined;
  const loadSparkline = async () => {
    const { createSparkline } = await import("../view/sparkline");
    if (!signal.aborted) drawSparkline ??= createSparkline(sparkline, 1000 / world.manifest.frameRate, signal);
  };
  const update = async () => {
    const frame = session.frame();
    if (!settings.value.hud || !frame) return;
    if (frame.tick > 0 && !drawSparkline) await loadSparkline();
    const { kvFilled, kvSlots } = await world.status();
    const { tickMs, inputToFrameMs, missed, fps } = session.stats();
    const spread = (values: number[]) => ({ p50: percentile(values, 0.5), p95: percentile(values, 0.95) });
    show({
      fps,
      frameRate: world.manifest.frameRate,
      tick: spread(tickMs),
      latency: spread(inputToFrameMs),
      kv: { filled: kvFilled, slots: kvSlots },
      backend: world.backend,
      picture: frame,
      view: view.kind,
      seed: beginning.value.seed,
      evaluations: world.manifest.evaluations,
      missed,
      tickNumber: frame.tick,
    });
    drawSparkline?.(tickMs);
  };
  // A dead worker answers no status either; that is already on the screen.
  const tolerant = () => update().catch((error: Error) => console.info(`No figures: ${error.message}`));
  const showing = loop.frames
    .pipe(throttleTime(HUD_PERIOD_MS, undefined, { leading: true, trailing: true }))
    .subscribe(tolerant);
  showing.add(settings.subscribe(tolerant));
  return showing;
}

function showLegend(session: Session): void {
  const { world, bindings } = session;
  const row = (keys: string[], text: string) =>
    make("div", {}, make("dt", {}, ...keys.map((key) => make("kbd", {}, key))), make("dd", {}, text));
  const actions = world.manifest.actions.map((spec) => {
    const keys = bindings.value.filter(({ action }) => action === spec.name);
    const ordered = [...keys].sort((a, b) => a.value - b.value);
    return row(
      ordered.map(({ code }) => keyLabels.value(code)),
      spec.name,
    );
  });
  const taken = new Set(bindings.value.map(({ code }) => code));
  const page = commandsOf(session).flatMap(({ code, key, label }) => {
    const shown = key ?? (code && !taken.has(code) ? keyLabels.value(code) : "");
    return shown ? [row([shown], label)] : [];
  });
  element("legend", HTMLElement).replaceChildren(make("dl", {}, ...actions), make("dl", {}, ...page));
}
