/** torch ↔ both engines: the tiny world of random weights, tick by tick, past the window's edge. */
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import goldens from "../../tests/goldens/tiny-world.json";
import { checkWorld } from "./conformance";
import { agesOf } from "./kv-window";
import { openWorldNode } from "./node-runtime";
import type { World } from "./world";

const folder = fileURLToPath(new URL("../../tests/goldens/tiny-world", import.meta.url));
const decode = (text: string) => Uint8Array.from(Buffer.from(text, "base64"));

/** Largest difference of two arrays of the same length. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  return Array.from(a, (value, i) => Math.abs(value - (b[i] as number))).reduce((x, y) => Math.max(x, y), 0);
}

describe.each(["ort", "own"] as const)("on engine %s", (engine) => {
  const open = async () => (await openWorldNode(folder, { engine, threads: 1 })).world;
  let world: World;
  beforeAll(async () => {
    world = await open();
  });
  afterAll(() => world.close());

  async function follow(ticks: typeof goldens.fromStart): Promise<void> {
    for (const golden of ticks) {
      const frame = await world.step(Float32Array.from(golden.action));
      const state = await world.snapshot();
      expect(distance(state.latent, golden.latent)).toBeLessThan(1e-4);
      expect(distance(frame.rgba, decode(golden.rgba))).toBeLessThanOrEqual(1);
      expect(state.written).toEqual(golden.written);
      expect([...agesOf(state)]).toEqual(golden.ages);
      const newest = state.slots[state.written.indexOf(state.passes - 1)] as Float32Array;
      expect(distance(newest, golden.slot)).toBeLessThan(1e-4);
    }
  }

  test("from a start, past the window's edge, it dreams what torch dreams", async () => {
    await world.reset({ seed: goldens.seed, start: 0 });
    await follow(goldens.fromStart);
    expect(goldens.fromStart.length).toBeGreaterThan(world.manifest.kv.window + world.manifest.kv.sink);
  });

  test("from pictures, through the encoder, it dreams what torch dreams", async () => {
    const { frames, actions } = goldens.context;
    await world.reset({
      seed: goldens.seed,
      context: { frames: decode(frames), actions: Float32Array.from(actions) },
    });
    await follow(goldens.fromContext);
  });

  test("the network keeps the contract of a world", async () => {
    expect((await checkWorld(open)).filter((check) => !check.passed)).toEqual([]);
  });
});
