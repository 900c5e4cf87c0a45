import { describe, expect, it } from "vitest";
import type { Sample } from "../action/source";
import { WorkerCrashError } from "../errors";
import type { Manifest } from "../model/manifest";
import type { Frame } from "../model/world";
import { createGameLoop, type LoopFrame } from "./game-loop";

const PERIOD = 40; // ms at 25 frames a second

/** A loop on a world whose calls end when the test says so, and on a clock that moves when the test says so. */
function setUp(sample: (tick: number) => Sample = () => ({ action: new Float32Array([0]), since: undefined })) {
  let now = 1000;
  let timer: { at: number; callback: () => void } | undefined;
  let tick = 0;
  const pending: { settle: (error?: Error) => Promise<void>; kind: string; action?: Float32Array }[] = [];
  const call = (kind: string, next: () => number, action?: Float32Array) =>
    new Promise<Frame>((resolve, reject) => {
      const settle = async (error?: Error) => {
        pending.splice(pending.indexOf(entry), 1);
        if (!error) tick = next();
        error ? reject(error) : resolve({ rgba: new Uint8ClampedArray(4), width: 1, height: 1, tick });
        await new Promise((done) => setImmediate(done)); // let the loop's promises run
      };
      const entry = action ? { kind, settle, action } : { kind, settle };
      pending.push(entry);
    });
  const world = {
    manifest: { frameRate: 25 } as Manifest,
    step: (action: Float32Array) => call("step", () => tick + 1, action),
    rewind: (ticks: number) => call("rewind", () => Math.max(0, tick - ticks)),
  };
  const clock = {
    now: () => now,
    after(ms: number, callback: () => void) {
      const mine = { at: now + ms, callback };
      timer = mine;
      return () => {
        if (timer === mine) timer = undefined;
      };
    },
  };
  const loop = createGameLoop({ world, clock, sample });
  const made: LoopFrame[] = [];
  loop.frames.subscribe((frame) => made.push(frame));
  /** Lets time pass; the timer fires where it should. */
  const pass = (ms: number) => {
    const end = now + ms;
    while (timer && timer.at <= end) {
      now = timer.at;
      const { callback } = timer;
      timer = undefined;
      callback();
    }
    now = end;
  };
  const finish = (error?: Error) => {
    const first = pending[0];
    if (!first) throw new Error("expected a call in flight");
    return first.settle(error);
  };
  return { loop, made, pending, pass, finish, reset: () => call("reset", () => 0) };
}

describe("game loop", () => {
  it("stands still until it is resumed, then steps once a tick", async () => {
    const { loop, made, pending, pass, finish } = setUp();
    pass(500);
    expect(pending).toHaveLength(0);
    loop.resume();
    for (let i = 0; i < 3; i++) {
      expect(pending).toHaveLength(1);
      pass(10);
      await finish();
      expect(pending).toHaveLength(0); // early: waits for the grid
      pass(30);
    }
    expect(made.map(({ frame }) => frame.tick)).toEqual([1, 2, 3]);
    expect(made[0]?.stepMs).toBe(10);
    expect(made.at(-1)?.missed).toBe(0);
  });

  it("never has more than one step in flight, counts missed ticks and doesn't make up for them", async () => {
    const { loop, made, pending, pass, finish } = setUp();
    loop.resume();
    pass(3.5 * PERIOD); // ticks 1, 2 and 3 pass while the step of tick 0 runs
    loop.advance(1000 + 3.5 * PERIOD);
    expect(pending).toHaveLength(1);
    await finish();
    expect(pending).toHaveLength(1); // late: at once
    pass(1);
    await finish();
    expect(made.at(-1)?.missed).toBe(2);
    expect(pending).toHaveLength(0);
    pass(0.5 * PERIOD - 1); // back on the grid at 4 periods
    expect(pending).toHaveLength(1);
  });

  it("a step somewhat longer than a tick costs only the time it takes", async () => {
    const { loop, made, pass, finish } = setUp();
    loop.resume();
    for (let i = 0; i < 10; i++) {
      pass(42);
      await finish();
    }
    expect(made).toHaveLength(10); // 420 ms, the grid alone would have given 5
    expect(made.at(-1)?.missed).toBe(0);
  });

  it("samples input when the step is dispatched and measures from the event to its frame", async () => {
    let now: Sample = { action: new Float32Array([0]), since: undefined };
    const { loop, made, pending, pass, finish } = setUp(() => now);
    loop.resume();
    pass(25);
    now = { action: new Float32Array([1]), since: 1025 }; // pressed while the first step runs
    await finish();
    expect(made[0]?.action).toEqual(new Float32Array([0]));
    pass(15);
    expect(pending[0]?.action).toEqual(new Float32Array([1]));
    pass(20);
    await finish();
    expect(made[1]?.inputToFrameMs).toBe(35);
    expect(made[0]?.inputToFrameMs).toBeUndefined();
  });

  it("pauses and goes on without counting the pause", async () => {
    const { loop, made, pending, pass, finish } = setUp(() => ({ action: new Float32Array([1]), since: 1010 }));
    loop.resume();
    loop.pause("The window lost the focus.", true);
    await finish();
    pass(10_000);
    expect(pending).toHaveLength(0);
    expect(loop.state.value).toEqual({ name: "paused", reason: "The window lost the focus.", resumable: true });
    loop.resume();
    await finish();
    expect(made).toHaveLength(2);
    expect(made[1]?.missed).toBe(0);
    expect(made[1]?.inputToFrameMs).toBeUndefined(); // the event is older than the resumption
  });

  it("steps once and stays paused", async () => {
    const { loop, made, pending, pass, finish } = setUp();
    loop.stepOnce();
    loop.stepOnce(); // the first is still in flight
    expect(pending).toHaveLength(1);
    await finish();
    pass(1000);
    expect(made).toHaveLength(1);
    expect(loop.state.value.name).toBe("paused");
  });

  it("slow motion stretches the tick", async () => {
    const { loop, pending, pass, finish } = setUp();
    loop.speed.next(0.25);
    loop.resume();
    await finish();
    pass(159);
    expect(pending).toHaveLength(0);
    pass(1);
    expect(pending).toHaveLength(1);
    expect(loop.period()).toBe(160);
  });

  it("rewinds a tick per tick and branches from there", async () => {
    const { loop, made, pending, pass, finish } = setUp();
    loop.resume();
    for (let i = 0; i < 4; i++) {
      await finish();
      pass(PERIOD);
    }
    loop.rewind();
    await finish(); // the step that was in flight
    pass(PERIOD);
    for (let i = 0; i < 2; i++) {
      expect(pending[0]?.kind).toBe("rewind");
      await finish();
      if (i === 0) pass(PERIOD);
    }
    expect(made.at(-1)?.action).toBeNull();
    loop.resume();
    pass(PERIOD);
    expect(pending[0]?.kind).toBe("step");
    await finish();
    expect(made.map(({ frame }) => frame.tick)).toEqual([1, 2, 3, 4, 5, 4, 3, 4]);
  });

  it("an exclusive call waits for the step in flight and isn't overtaken, however late the loop is", async () => {
    const { loop, made, pending, pass, finish, reset } = setUp();
    loop.resume();
    pass(500);
    const done = loop.exclusive(reset);
    expect(pending.map(({ kind }) => kind)).toEqual(["step"]);
    await finish();
    expect(pending.map(({ kind }) => kind)).toEqual(["reset"]);
    await finish();
    await done;
    expect(made.map(({ frame }) => frame.tick)).toEqual([1, 0]);
    expect(pending.map(({ kind }) => kind)).toEqual(["step"]);
  });

  it("a failing step stops the loop with its error, and a restart gets it going", async () => {
    const { loop, made, pending, pass, finish, reset } = setUp();
    loop.resume();
    const error = new WorkerCrashError("The worker died.");
    await finish(error);
    expect(loop.state.value).toEqual({ name: "failed", error });
    pass(1000);
    loop.resume();
    loop.stepOnce();
    expect(pending).toHaveLength(0);
    const done = loop.exclusive(reset);
    await finish();
    await done;
    loop.resume();
    await finish();
    expect(made.map(({ frame }) => frame.tick)).toEqual([0, 1]);
  });

  it("a failure told from outside stops it, too", () => {
    const { loop } = setUp();
    loop.resume();
    loop.fail(new WorkerCrashError("Gone."));
    expect(loop.state.value.name).toBe("failed");
  });
});
