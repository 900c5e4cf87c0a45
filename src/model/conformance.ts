/**
 * Does a world keep the contract of `world.ts`? The same checks run on the fake world, on the network in Node and on
 * the network behind a worker. Knows no test framework; a test asserts that nothing in the list failed.
 */
import type { Action, Frame, World } from "./world";

export interface Check {
  readonly name: string;
  readonly passed: boolean;
  /** Empty when passed; else what was expected and what was found. */
  readonly message: string;
}

/**
 * Runs all checks, each on a world of its own.
 * @param make a world of 1 start or more, not yet reset
 */
export async function checkWorld(make: () => Promise<World>): Promise<Check[]> {
  const results: Check[] = [];
  for (const [name, check] of Object.entries(CHECKS)) {
    const world = await make();
    try {
      await check(world);
      results.push({ name, passed: true, message: "" });
    } catch (error) {
      results.push({ name, passed: false, message: (error as Error).message });
    } finally {
      await world.close();
    }
  }
  return results;
}

const STEPS = 6; // ticks of a short drive: past the edge of a small window

const CHECKS: Readonly<Record<string, (world: World) => Promise<void>>> = {
  "frames have the manifest's size, their tick, and alpha 255": async (world) => {
    const { width, height } = world.manifest.picture;
    const frames = [await world.reset({ seed: 1 }), ...(await drive(world, 1))];
    frames.forEach((frame, tick) => {
      expectEqual(
        "width, height, bytes",
        [frame.width, frame.height, frame.rgba.length],
        [width, height, width * height * 4],
      );
      expectEqual("tick", frame.tick, tick);
      if (frame.rgba.some((value, i) => i % 4 === 3 && value !== 255)) throw new Error("expected alpha 255 everywhere");
    });
  },
  "the same seed and actions give the same frames": async (world) => {
    const first = await play(world, 3, 1);
    expectFrames(await play(world, 3, 1), first);
  },
  "another seed gives other frames": async (world) => {
    const first = await play(world, 3, 1);
    expectDifferent(await play(world, 4, 1), first);
  },
  "other actions give other frames": async (world) => {
    const first = await play(world, 3, 1);
    expectDifferent(await play(world, 3, -1), first);
  },
  "reset clears the memory": async (world) => {
    const fresh = await play(world, 5, 1);
    await drive(world, -1);
    expectFrames(await play(world, 5, 1), fresh);
    await world.reset({ seed: 5 });
    expectEqual("rewindable after reset", (await world.status()).rewindable, 0);
  },
  "step, rewind and snapshot before reset give StateError": async (world) => {
    await expectError("StateError", () => world.step(actionOf(world, 0)));
    await expectError("StateError", () => world.rewind(1));
    await expectError("StateError", () => world.snapshot());
  },
  "after close everything gives StateError, and close does nothing": async (world) => {
    await world.reset({ seed: 1 });
    await world.close();
    await world.close();
    await expectError("StateError", () => world.step(actionOf(world, 0)));
    await expectError("StateError", () => world.reset({ seed: 1 }));
  },
  "a bad action gives ActionError and changes nothing": async (world) => {
    const expected = await play(world, 6, 1);
    await world.reset({ seed: 6 });
    const bad = actionOf(world, 0);
    bad[0] = (world.manifest.actions[0]?.max ?? 0) + 1;
    await expectError("ActionError", () => world.step(bad));
    await expectError("ActionError", () => world.step(new Float32Array(bad.length + 1)));
    bad[0] = Number.NaN;
    await expectError("ActionError", () => world.step(bad));
    expectFrames(await drive(world, 1), expected);
  },
  "a bad seed, start or context gives ResetError": async (world) => {
    await expectError("ResetError", () => world.reset({ seed: -1 }));
    await expectError("ResetError", () => world.reset({ seed: 0.5 }));
    await expectError("ResetError", () => world.reset({ seed: 1, start: world.manifest.starts.length }));
    const context = { frames: new Uint8Array(7), actions: new Float32Array(0) };
    await expectError("ResetError", () => world.reset({ seed: 1, context }));
  },
  "a context of pictures begins with the last of them, and the drive goes on": async (world) => {
    const { width, height } = world.manifest.picture;
    const size = width * height * 3;
    const frames = Uint8Array.from({ length: 2 * size }, (_, i) => (i * 7) % 256);
    const context = { frames, actions: actionOf(world, 1) };
    const begin = await world.reset({ seed: 8, context });
    expectEqual("tick", begin.tick, 0);
    const rgb = begin.rgba.filter((_, i) => i % 4 !== 3);
    if (rgb.some((value, i) => value !== frames[size + i])) throw new Error("expected the context's last picture");
    const first = await drive(world, 1);
    await world.reset({ seed: 8, context });
    expectFrames(await drive(world, 1), first);
  },
  "after rewinding, the same actions give the same frames": async (world) => {
    const frames = await play(world, 9, 1);
    const back = await world.rewind(STEPS - 2);
    expectFrames([back], frames.slice(1, 2));
    for (let tick = 2; tick < STEPS; tick++) {
      expectFrames([await world.step(actionOf(world, wave(tick, 1)))], frames.slice(tick, tick + 1));
    }
  },
  "rewinding too far stops at the beginning": async (world) => {
    const start = await world.reset({ seed: 2 });
    await drive(world, 1);
    expectFrames([await world.rewind(10 * STEPS)], [start]);
    expectEqual("rewindable", (await world.status()).rewindable, 0);
  },
  "a snapshot brings back the picture and the future": async (world) => {
    await play(world, 10, 1);
    const snapshot = structuredClone(await world.snapshot());
    const future = await drive(world, -1);
    await play(world, 11, 1);
    expectFrames([await world.restore(snapshot)], [snapshot.frame]);
    expectFrames(await drive(world, -1), future);
  },
  "a snapshot of another package gives ResetError": async (world) => {
    await world.reset({ seed: 1 });
    const snapshot = { ...(await world.snapshot()), packageSha256: "f".repeat(64) };
    await expectError("ResetError", () => world.restore(snapshot));
  },
  "frames own their buffers": async (world) => {
    const expected = await play(world, 12, 1);
    const scribble = (frame: Frame) => frame.rgba.fill(7);
    scribble(await world.reset({ seed: 12 }));
    for (let tick = 0; tick < STEPS; tick++) {
      const frame = await world.step(actionOf(world, wave(tick, 1)));
      expectFrames([frame], expected.slice(tick, tick + 1));
      scribble(frame);
    }
    expectFrames([await world.rewind(0)], expected.slice(-1));
  },
  "calls that don't wait for each other take turns": async (world) => {
    const expected = await play(world, 13, 1);
    const calls = [world.reset({ seed: 13 })];
    for (let tick = 0; tick < STEPS; tick++) calls.push(world.step(actionOf(world, wave(tick, 1))));
    expectFrames((await Promise.all(calls)).slice(1), expected);
  },
};

/** How far each action is pushed at a tick: never the same twice in a row. */
const wave = (tick: number, side: number) => side * (0.5 + 0.5 * (tick % 2));

/** All actions at this share of their range: 1 their maximum, 0 at rest, −1 their minimum. */
function actionOf(world: World, share: number): Action {
  return Float32Array.from(world.manifest.actions, ({ min, max, rest }) =>
    share >= 0 ? rest + share * (max - rest) : rest - share * (min - rest),
  );
}

async function drive(world: World, side: number): Promise<Frame[]> {
  const frames: Frame[] = [];
  for (let tick = 0; tick < STEPS; tick++) frames.push(await world.step(actionOf(world, wave(tick, side))));
  return frames;
}

async function play(world: World, seed: number, side: number): Promise<Frame[]> {
  await world.reset({ seed });
  return drive(world, side);
}

function expectEqual(what: string, found: unknown, expected: unknown): void {
  const [a, b] = [JSON.stringify(expected), JSON.stringify(found)];
  if (a !== b) throw new Error(`${what}: expected ${a}, got ${b}`);
}

const samePicture = (a: Frame | undefined, b: Frame | undefined) =>
  a?.rgba.length === b?.rgba.length && a?.rgba.every((value, i) => value === b?.rgba[i]) === true;

function expectFrames(found: readonly Frame[], expected: readonly Frame[]): void {
  expectEqual(
    "ticks",
    found.map((frame) => frame.tick),
    expected.map((frame) => frame.tick),
  );
  const wrong = found.find((frame, i) => !samePicture(frame, expected[i]));
  if (wrong) throw new Error(`expected the same picture again, got another at tick ${wrong.tick}`);
}

function expectDifferent(found: readonly Frame[], other: readonly Frame[]): void {
  if (found.every((frame, i) => samePicture(frame, other[i]))) throw new Error("expected other pictures, got the same");
}

/** By name: classes don't survive the worker boundary. */
async function expectError(name: string, call: () => Promise<unknown>): Promise<void> {
  const found = await call().then(
    () => "no error",
    (error: unknown) => (error as Error).name,
  );
  expectEqual("error", found, name);
}
