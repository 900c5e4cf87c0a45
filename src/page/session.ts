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
import type { InputSource } from "../action/source";
import { createTouch } from "../action/touch";
import { pageClock } from "../loop/clock";
import { createGameLoop, type GameLoop, type LoopFrame } from "../loop/game-loop";
import { createStats, type Stats } from "../loop/stats";
import { checkReset, resetOf, type SessionBeginning } from "../model/beginning";
import type { Point } from "../model/branch-tree";
import type { SessionRecord } from "../model/journal";
import type { Told } from "../model/prompt";
import type { SeekOptions } from "../model/recorded-world";
import type { WorkerWorld } from "../model/worker-client";
import type { Action, Frame, Snapshot } from "../model/world";
import type { View } from "../view/view";
import { element } from "./elements";
import { pagePads } from "./pad-navigation";
import { createSeeking, type Seeking } from "./seeking";
import { followKept, keep, loadSettings, recall, type Settings } from "./settings";

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
  begin(beginning: SessionBeginning, replay?: readonly Action[], told?: readonly Told[]): Promise<void>;
  /** Tells the world something, with the next tick that is played. @param text checked against its words */
  tell(text: string): void;
  guideBy(guides: Guides): void;
  /** Samples one more source of actions, and closes it at the end. */
  addSource(source: InputSource): void;
  /**
   * Goes to where a recorded session was left and stands still there; called off by `seeking.cancel`, where it has come by
   * then. @param keyframe as `RecordedWorld.load` has it
   * @throws ResetError, and what loading the encoder throws, for a picture; the session is then as it was
   */
  load(beginning: SessionBeginning, recorded: SessionRecord, keyframe?: Snapshot): Promise<void>;
  /** Goes to another tick and stands still there; called off by `stopSeeking`, or when the session begins anew. */
  seek(to: Point, onStep?: SeekOptions["onStep"]): Promise<void>;
  stopSeeking(): void;
  /** Goes on at a start of the world, on a new branch of this session, and runs. */
  cut(start: number): Promise<void>;
  /** What goes to ticks for the bar, the keys and the pad. */
  readonly seeking: Seeking;
  /** Runs, and plays what is recorded after the newest frame until that ends or somebody touches a control. */
  watch(): void;
  replaying(): boolean;
  /** Where the way to the newest frame begins: as the session, or at a cut. */
  here(): SessionBeginning;
  /** Actions that led to the newest frame. */
  actions(): readonly Action[];
  /** What the world was told on the way to it. */
  told(): readonly Told[];
  /** Of the guides on that way; undefined: there were none. */
  guidesSha256(): string | undefined;
  /** The newest frame, undefined before the first. */
  frame(): Frame | undefined;
  stats(): Stats;
}

/** What guides the world. */
export interface Guides {
  /** Asked once for every tick: its guide, uint8 RGB [height, width, 3]; undefined: as before. */
  take(): Uint8Array | undefined;
  /** Told of every frame, before anybody else is. */
  follow(made: LoopFrame): void;
  /** Of those that led to the newest frame, hex, as `guide-hash.ts` has it; undefined: there were none. */
  sha256(): string | undefined;
}

/** SHA-256 of no bytes: what is known of guides from before a session was taken up again. */
const UNKNOWN_GUIDES = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const STANDING = "Standing still on the timeline.";

/** Wires a world; nothing moves until `begin`. */
export function createSession(world: WorkerWorld, view: View, kept: Settings, signal: AbortSignal): Session {
  const { actions, frameRate, name } = world.manifest;
  const settings = new BehaviorSubject(kept);
  const bindings = new BehaviorSubject<readonly Binding[]>(restoreBindings(actions, recall(`keys:${name}`)));
  followKept("settings", signal, () => settings.next(loadSettings()));
  followKept(`keys:${name}`, signal, () => bindings.next(restoreBindings(actions, recall(`keys:${name}`))));
  const beginning = new BehaviorSubject<SessionBeginning>({ seed: 1, start: 0 });

  const keyboard = createKeyboard(window, { actions, bindings: bindings.value, frameRate, smooth: kept.smoothKeys });
  const gamepad = createGamepad({ actions, pads: pagePads().pads, deadZone: kept.deadZone, now: pageClock.now });
  const sources: InputSource[] = [keyboard, gamepad, createTouch(element("touch", HTMLElement), actions)];
  let prompt: string | undefined; // for the next tick
  const live = () => {
    const sample = sampleSources(actions, sources);
    return prompt === undefined ? sample : { ...sample, prompt };
  };
  let replay = createReplay([], live);
  let guides: Guides | undefined;
  let wasGuided = false; // before it was saved
  const sample = (tick: number) => {
    const guide = guides?.take();
    return guide ? { ...replay.sample(tick), guide } : replay.sample(tick);
  };
  const loop = createGameLoop({ world, clock: pageClock, sample });

  const stats = createStats();
  let newest: Frame | undefined;
  loop.frames.subscribe((made) => {
    newest = made.frame;
    if (made.prompt === prompt) prompt = undefined;
    guides?.follow(made);
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

  let onTheWay: AbortController | undefined;
  const stopSeeking = () => onTheWay?.abort();
  /** Going elsewhere is also a way out of a failure; one that came on the way stays. */
  const standStill = () => {
    if (loop.state.value.name === "loading") loop.pause(STANDING);
  };

  /** @returns why the world can't begin at a picture; it is then where it was. Other failures are the loop's. */
  const orStay = async (from: SessionBeginning, attempt: () => Promise<Frame>): Promise<unknown> => {
    let refusal: unknown;
    await loop.exclusive(() =>
      attempt().catch((error: unknown) => {
        if (!from.picture || !newest) throw error;
        refusal = error;
        return world.rewind(0);
      }),
    );
    return refusal;
  };

  const session: Omit<Session, "seeking" | "load"> = {
    signal,
    world,
    loop,
    view,
    gamepad,
    settings,
    bindings,
    beginning,
    async begin(from, recorded = [], told = []) {
      stopSeeking();
      prompt = undefined;
      const take = () => {
        replay = createReplay(recorded, live, told);
        beginning.next(from);
      };
      if (!newest) take(); // a crash before the first frame is restarted from here
      const begun = orStay(from, async () => {
        const frame = await world.reset(resetOf(from));
        wasGuided = false;
        take();
        return frame;
      });
      // A pause from before ends now; one that comes while the world is being reset (a sheet opened) stays.
      if (loop.state.value.name !== "loading") loop.resume();
      const refusal = await begun;
      if (loop.state.value.name === "loading") loop.resume();
      if (refusal) throw refusal;
    },
    async seek(to, onStep) {
      const stop = new AbortController();
      onTheWay = stop;
      loop.pause(STANDING);
      await loop.exclusive(async () => {
        replay.stop();
        return world.seek(to, { signal: stop.signal, onStep });
      });
      standStill();
    },
    stopSeeking,
    async cut(start) {
      stopSeeking();
      const cut = loop.exclusive(() => {
        replay.stop();
        return world.cut(start);
      });
      if (loop.state.value.name !== "loading") loop.resume(); // now: a pause that comes meanwhile stays
      await cut;
      if (loop.state.value.name === "loading") loop.resume();
    },
    tell(text) {
      prompt = text;
    },
    guideBy(given) {
      guides = given;
    },
    addSource: (source) => void sources.push(source),
    watch() {
      const { branch } = world.journal.position;
      const end = world.journal.branches().find(({ id }) => id === branch)?.end ?? 0;
      const to = { branch, tick: end };
      replay = createReplay(world.journal.actions(to), live, world.journal.told(to));
      loop.resume();
    },
    replaying: () => replay.playing(),
    here() {
      const start = world.journal.start();
      return start === undefined ? beginning.value : { seed: beginning.value.seed, start };
    },
    actions: () => world.journal.actions().map((action) => action.slice()),
    told: () => world.journal.told(),
    guidesSha256: () => guides?.sha256() ?? (wasGuided ? UNKNOWN_GUIDES : undefined),
    frame: () => newest,
    stats: () => stats.read(),
  };
  const seeking = createSeeking(session);
  const load: Session["load"] = async (from, recorded, keyframe) => {
    checkReset(resetOf(from), world.manifest); // or a file's mistake would end the session that runs
    stopSeeking();
    loop.pause(STANDING);
    const refusal = await orStay(from, async () => {
      const frame = await world.load(resetOf(from), recorded, keyframe);
      replay = createReplay([], live);
      wasGuided = keyframe?.guide !== undefined;
      beginning.next(from);
      return frame;
    });
    standStill();
    if (refusal) throw refusal;
    const branch = world.journal.branches()[recorded.at.branch]?.id ?? 0;
    await seeking.to({ branch, tick: recorded.at.tick });
  };
  return Object.assign(session, { seeking, load });
}

/** Marks for measurements: the picture is there; the network's first own frame has been drawn. */
function mark(tick: number): void {
  const name = tick === 0 ? "worldloop:interactive" : tick === 1 ? "worldloop:first-frame" : undefined;
  if (name && performance.getEntriesByName(name).length === 0) performance.mark(name);
}
