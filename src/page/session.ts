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
import type { StartBeginning } from "../model/beginning";
import type { WorkerWorld } from "../model/worker-client";
import type { Action, Frame, ResetOptions } from "../model/world";
import { createSessionLog } from "../record/session-log";
import type { View } from "../view/view";
import { element } from "./elements";
import { pagePads } from "./pad-navigation";
import { keep, recall, type Settings } from "./settings";

/** Where a session begins: at a start of the world, or at a person's own picture; which start they were at stays known. */
export interface SessionBeginning extends StartBeginning {
  /** uint8 RGB [height, width, 3] of the world's size, in place of the start. */
  readonly picture?: Uint8Array;
}

export interface Session {
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
  replaying(): boolean;
  /** Actions that led to the newest frame. */
  actions(): readonly Action[];
  /** The newest frame, undefined before the first. */
  frame(): Frame | undefined;
  stats(): Stats;
}

/** Wires a world; nothing moves until `begin`. */
export function createSession(world: WorkerWorld, view: View, kept: Settings): Session {
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

  const log = createSessionLog();
  const stats = createStats();
  let newest: Frame | undefined;
  loop.frames.subscribe((made) => {
    newest = made.frame;
    view.draw(made.frame);
    log.add(made.frame.tick, made.action);
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

  return {
    world,
    loop,
    view,
    gamepad,
    settings,
    bindings,
    beginning,
    async begin(from, recorded = []) {
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
    replaying: () => replay.playing(),
    actions: () => log.read(),
    frame: () => newest,
    stats: () => stats.read(),
  };
}

function resetOf({ seed, start, picture }: SessionBeginning): ResetOptions {
  return picture ? { seed, context: { frames: picture, actions: new Float32Array(0) } } : { seed, start };
}

/** Marks for measurements: the picture is there; the network's first own frame has been drawn. */
function mark(tick: number): void {
  const name = tick === 0 ? "worldloop:interactive" : tick === 1 ? "worldloop:first-frame" : undefined;
  if (name && performance.getEntriesByName(name).length === 0) performance.mark(name);
}
