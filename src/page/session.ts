/**
 * One open world in play: input → loop → view, log and figures. Everything on the page that starts, stops or reads the
 * session goes through this object.
 */
import { BehaviorSubject } from "rxjs";
import { type Binding, restoreBindings } from "../action/bindings";
import { createGamepad, type GamepadSource } from "../action/gamepad";
import { createKeyboard } from "../action/keyboard";
import { createReplay } from "../action/replay";
import { sampleSources } from "../action/sampler";
import { createTouch } from "../action/touch";
import { pageClock } from "../loop/clock";
import { createGameLoop, type GameLoop } from "../loop/game-loop";
import { createStats, type Stats } from "../loop/stats";
import { checkReset, type StartBeginning } from "../model/beginning";
import type { Point } from "../model/branch-tree";
import type { SessionRecord } from "../model/journal";
import type { SeekOptions } from "../model/recorded-world";
import type { WorkerWorld } from "../model/worker-client";
import type { Action, Frame, ResetOptions, Snapshot } from "../model/world";
import type { View } from "../view/view";
import { element } from "./elements";
import { pagePads } from "./pad-navigation";
import { createSeeking, type Seeking } from "./seeking";
import { keep, recall, type Settings } from "./settings";

/** Where a session begins: at a start of the world, or at a person's own picture; which start they were at stays known. */
export interface SessionBeginning extends StartBeginning {
  /** uint8 RGB [height, width, 3] of the world's size, in place of the start. */
  readonly picture?: Uint8Array;
}

export interface Session {
  /** Aborted when the world is left: then everything here has ended, and so must what others connected to it. */
  readonly signal: AbortSignal;
  readonly world: WorkerWorld;
  readonly loop: GameLoop;
  readonly view: View;
  readonly gamepad: GamepadSource;
  readonly settings: BehaviorSubject<Settings>;
  readonly bindings: BehaviorSubject<readonly Binding[]>;
  /** Where it began; before the first frame, where it is to begin. */
  readonly beginning: BehaviorSubject<SessionBeginning>;
  /**
   * Begins anew and runs; with a replay its actions come first. A picture that the world can't begin at changes nothing.
   * @throws ResetError and what loading the encoder throws, for a picture alone; other failures are the loop's state
   */
  begin(beginning: SessionBeginning, replay?: readonly Action[]): Promise<void>;
  /**
   * Goes at once to where these actions lead, or, called off, to where it has come by then. Stands still there if nothing
   * ran before. @throws ResetError, the session being as it was
   */
  goOn(
    beginning: StartBeginning,
    actions: readonly Action[],
    options?: { readonly signal?: AbortSignal; readonly onTick?: (done: number, of: number) => void },
  ): Promise<void>;
  /** Begins a recorded session, at its first frame, and stands still there. @param keyframe as `RecordedWorld.load` has it */
  load(beginning: StartBeginning, recorded: SessionRecord, keyframe?: Snapshot): Promise<void>;
  /** Goes to another tick and stands still there; called off by `stopSeeking`, or when the session begins anew. */
  seek(to: Point, onStep?: SeekOptions["onStep"]): Promise<void>;
  stopSeeking(): void;
  /** What goes to ticks for the bar, the keys and the pad. */
  readonly seeking: Seeking;
  /** Runs, and plays what is recorded after the newest frame until that ends or somebody touches a control. */
  watch(): void;
  replaying(): boolean;
  /** Actions that led to the newest frame. */
  actions(): readonly Action[];
  /** The newest frame, undefined before the first. */
  frame(): Frame | undefined;
  stats(): Stats;
}

const STANDING = "Standing still on the timeline.";

/** Wires a world; nothing moves until `begin`. */
export function createSession(world: WorkerWorld, view: View, kept: Settings, signal: AbortSignal): Session {
  const { actions, frameRate, name } = world.manifest;
  const settings = new BehaviorSubject(kept);
  const bindings = new BehaviorSubject<readonly Binding[]>(restoreBindings(actions, recall(`keys:${name}`)));
  const beginning = new BehaviorSubject<SessionBeginning>({ seed: 1, start: 0 });

  const keyboard = createKeyboard(window, { actions, bindings: bindings.value, frameRate, smooth: kept.smoothKeys });
  const gamepad = createGamepad({ actions, pads: pagePads().pads, deadZone: kept.deadZone, now: pageClock.now });
  const sources = [keyboard, gamepad, createTouch(element("touch", HTMLElement), actions)];
  const live = () => sampleSources(actions, sources);
  let replay = createReplay([], live);
  const loop = createGameLoop({ world, clock: pageClock, sample: (tick) => replay.sample(tick) });

  const stats = createStats();
  let newest: Frame | undefined;
  loop.frames.subscribe((made) => {
    newest = made.frame;
    view.draw(made.frame);
    stats.add(made, loop.period());
    mark(made.frame.tick);
    document.body.dataset.tick = String(made.frame.tick);
    document.dispatchEvent(new CustomEvent("worldloop:frame", { detail: { tick: made.frame.tick } }));
  });
  loop.state.subscribe((state) => {
    if (state.name === "paused" && state.resumable) for (const source of sources) source.clear();
  });
  settings.subscribe((now) => {
    keyboard.configure({ smooth: now.smoothKeys });
    gamepad.configure({ deadZone: now.deadZone });
    view.setFilter(now.filter);
    keep("settings", now);
  });
  bindings.subscribe((now) => {
    keyboard.configure({ bindings: now });
    keep(`keys:${name}`, now);
  });

  signal.addEventListener("abort", () => {
    loop.close();
    for (const source of sources) source.close();
    for (const subject of [settings, bindings, beginning]) subject.complete();
  });

  let seeking: AbortController | undefined;
  const stopSeeking = () => seeking?.abort();
  /** Going elsewhere is also a way out of a failure; one that came on the way stays. */
  const standStill = () => {
    if (loop.state.value.name === "loading") loop.pause(STANDING);
  };

  const session: Omit<Session, "seeking"> = {
    signal,
    world,
    loop,
    view,
    gamepad,
    settings,
    bindings,
    beginning,
    async begin(from, recorded = []) {
      stopSeeking();
      const take = () => {
        replay = createReplay(recorded, live);
        beginning.next(from);
      };
      if (!newest) take(); // a crash before the first frame is restarted from here
      let refusal: unknown;
      const begun = loop.exclusive(async () => {
        try {
          const frame = await world.reset(resetOf(from));
          take();
          return frame;
        } catch (error) {
          if (!from.picture || !newest) throw error;
          refusal = error;
          return world.rewind(0); // where it was
        }
      });
      // A pause from before ends now; one that comes while the world is being reset (a sheet opened) stays.
      if (loop.state.value.name !== "loading") loop.resume();
      await begun;
      if (loop.state.value.name === "loading") loop.resume();
      if (refusal) throw refusal;
    },
    async goOn(from, actions, { signal, onTick } = {}) {
      stopSeeking();
      checkReset(from, world.manifest); // or a file's mistake would end the session that runs
      await loop.exclusive(async () => {
        let frame = await world.reset(from);
        for (const action of actions) {
          if (signal?.aborted) break;
          frame = await world.step(action);
          onTick?.(frame.tick, actions.length);
        }
        replay = createReplay([], live);
        beginning.next(from);
        return frame;
      });
      if (loop.state.value.name === "loading") loop.pause(`Tick ${newest?.tick}, as the file has it.`, true);
    },
    async load(from, recorded, keyframe) {
      stopSeeking();
      loop.pause(STANDING);
      await loop.exclusive(async () => {
        const frame = await world.load(from, recorded, keyframe);
        replay = createReplay([], live);
        beginning.next(from);
        return frame;
      });
      standStill();
    },
    async seek(to, onStep) {
      const stop = new AbortController();
      seeking = stop;
      loop.pause(STANDING);
      await loop.exclusive(async () => {
        replay.stop();
        return world.seek(to, { signal: stop.signal, onStep });
      });
      standStill();
    },
    stopSeeking,
    watch() {
      const { branch } = world.journal.position;
      const end = world.journal.branches().find(({ id }) => id === branch)?.end ?? 0;
      replay = createReplay(world.journal.actions({ branch, tick: end }), live);
      loop.resume();
    },
    replaying: () => replay.playing(),
    actions: () => world.journal.actions().map((action) => action.slice()),
    frame: () => newest,
    stats: () => stats.read(),
  };
  return Object.assign(session, { seeking: createSeeking(session) });
}

function resetOf({ seed, start, picture }: SessionBeginning): ResetOptions {
  return picture ? { seed, context: { frames: picture, actions: new Float32Array(0) } } : { seed, start };
}

/** Marks for measurements: the picture is there; the network's first own frame has been drawn. */
function mark(tick: number): void {
  const name = tick === 0 ? "worldloop:interactive" : tick === 1 ? "worldloop:first-frame" : undefined;
  if (name && performance.getEntriesByName(name).length === 0) performance.mark(name);
}
