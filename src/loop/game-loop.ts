/**
 * The game loop: a grid of ticks at the world's frame rate, at most one model call in flight, input sampled when a step
 * is dispatched. A step that finishes late is followed by the next one at once; whole ticks that passed meanwhile are
 * counted as missed and never made up for, because queued steps would turn slowness into lag.
 *
 * Resets and restarts go through `exclusive`, so that nothing overlaps a step. View, recorder and HUD subscribe to
 * `frames` and `state`; they never call back.
 */
import { BehaviorSubject, type Observable, Subject } from "rxjs";
import type { Sample } from "../action/source";
import type { Action, Frame, World } from "../model/world";
import type { Clock } from "./clock";

export type LoopState =
  /** `loading`: before the first frame, and while a failed loop is got going again. */
  | { readonly name: "loading" | "running" | "rewinding" }
  /** `resumable`: paused by the page (focus lost, a sheet opened), so that any key may resume. */
  | { readonly name: "paused"; readonly reason: string; readonly resumable: boolean }
  | { readonly name: "failed"; readonly error: Error };

export interface LoopFrame {
  readonly frame: Frame;
  /** What led to the frame; null when it came from a reset, a restart or a rewind. */
  readonly action: Action | null;
  /** What the world was told with it; absent: nothing new. */
  readonly prompt?: string | undefined;
  /** Its guide, uint8 RGB [height, width, 3]; absent: as before. */
  readonly guide?: Uint8Array | undefined;
  /** Duration of the model call, ms. */
  readonly stepMs: number;
  /** From the oldest input event that this frame is the first to answer, ms. */
  readonly inputToFrameMs: number | undefined;
  /** Ticks without a frame since the loop began. */
  readonly missed: number;
  /** When the frame arrived, ms on the loop's clock. */
  readonly at: number;
}

export interface LoopOptions {
  readonly world: Pick<World, "manifest" | "step" | "rewind">;
  readonly clock: Clock;
  /** The action vector for the step that makes tick `tick`. */
  readonly sample: (tick: number) => Sample;
}

/** Slow motion: share of the world's frame rate. */
export type Speed = 1 | 0.5 | 0.25;

export interface GameLoop {
  readonly frames: Observable<LoopFrame>;
  /** The state now, and every change of it. */
  readonly state: BehaviorSubject<LoopState>;
  readonly speed: BehaviorSubject<Speed>;
  /** Period of a tick at the speed now, ms. */
  period(): number;
  /** Dispatches a step if one is due at `now`. The clock calls it; a test may, too. */
  advance(now: number): void;
  pause(reason: string, resumable?: boolean): void;
  /** Runs, from whatever it did before; after a failure it does nothing. */
  resume(): void;
  /** One tick forward, then paused. */
  stepOnce(): void;
  /** Runs time backwards, a tick per tick, until `resume` or `pause`. */
  rewind(): void;
  /** Runs a call that makes a frame (reset, restart) after the one in flight. A failed loop stands by then: resume it. */
  exclusive(call: () => Promise<Frame>): Promise<void>;
  /** Stops with an error that came from elsewhere, such as the worker's death. */
  fail(error: Error): void;
  /** Ends it for good: nothing is dispatched any more, and `frames`, `state` and `speed` complete. */
  close(): void;
}

/** A loop that stands still until `exclusive` has made a first frame and `resume` is called. */
export function createGameLoop({ world, clock, sample }: LoopOptions): GameLoop {
  const frames = new Subject<LoopFrame>();
  const state = new BehaviorSubject<LoopState>({ name: "loading" });
  const speed = new BehaviorSubject<Speed>(1);
  let due = 0; // when the next tick should be dispatched
  let tick = 0;
  let missed = 0;
  let movingSince = 0; // input from before the loop was last set in motion doesn't count for latency
  let flight: Promise<void> | undefined;
  let claims = 0; // exclusive calls waiting for the one in flight; no step may overtake them
  let cancelTimer: (() => void) | undefined;
  let closed = false;

  const period = () => 1000 / (world.manifest.frameRate * speed.value);
  const moving = () => state.value.name === "running" || state.value.name === "rewinding";

  /** Makes one model call; its frame goes out, its error stops the loop. */
  function dispatch(call: () => Promise<Frame>, sampled?: Sample): Promise<void> {
    const { action = null, since, prompt, guide } = sampled ?? {};
    const begun = clock.now();
    const made = call()
      .then(
        (frame) => {
          const at = clock.now();
          tick = frame.tick;
          const inputToFrameMs = since === undefined || since < movingSince ? undefined : at - since;
          frames.next({ frame, action, prompt, guide, stepMs: at - begun, inputToFrameMs, missed, at });
        },
        (error: Error) => fail(error),
      )
      .finally(() => {
        flight = undefined;
        advance(clock.now());
      });
    flight = made;
    return made;
  }

  function step(): void {
    const sampled = sample(tick + 1);
    dispatch(() => world.step(sampled.action, sampled.prompt, sampled.guide), sampled);
  }

  function advance(now: number): void {
    cancelTimer?.();
    if (closed || flight || claims > 0 || !moving()) return; // the flight's end or the next change of state comes back here
    if (now < due) {
      cancelTimer = clock.after(due - now, () => advance(clock.now()));
      return;
    }
    const late = Math.floor((now - due) / period());
    if (state.value.name === "running") missed += late;
    due += (late + 1) * period();
    if (state.value.name === "rewinding") dispatch(() => world.rewind(1));
    else step();
  }

  function become(next: LoopState): void {
    const stood = !moving();
    state.next(next);
    if (moving() && stood) {
      due = clock.now();
      movingSince = due;
    }
    advance(clock.now());
  }

  function fail(error: Error): void {
    if (state.value.name !== "failed") become({ name: "failed", error });
  }

  return {
    frames,
    state,
    speed,
    period,
    advance,
    pause(reason, resumable = false) {
      if (state.value.name !== "failed") become({ name: "paused", reason, resumable });
    },
    resume() {
      if (state.value.name !== "failed" && state.value.name !== "running") become({ name: "running" });
    },
    stepOnce() {
      if (closed || state.value.name === "failed") return;
      become({ name: "paused", reason: "Paused, one step at a time.", resumable: false });
      if (!flight) step();
    },
    rewind() {
      if (state.value.name !== "failed") become({ name: "rewinding" });
    },
    async exclusive(call) {
      if (closed) return;
      if (state.value.name === "failed") state.next({ name: "loading" });
      claims++;
      while (flight) await flight;
      claims--;
      await dispatch(call);
    },
    fail,
    close() {
      closed = true;
      cancelTimer?.();
      frames.complete();
      state.complete();
      speed.complete();
    },
  };
}
