/** The shipped worlds on our own engine beside onnxruntime: the same dream, tick by tick; and how an engine is chosen. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { UnsupportedGraphError } from "../errors";
import { createWorld } from "./create-world";
import { chooseEngine, type Engine, ortEngine } from "./engine";
import { folderSource } from "./folder-source";
import { createNetworkModel } from "./network-model";
import { listWorlds, loadNodeRuntime, openNodeEngine, openWorldNode, WORLDS_FOLDER } from "./node-runtime";
import { openPackage } from "./package";
import type { Action, Snapshot } from "./world";

const TICKS = 24; // twice the window
const runtime = await loadNodeRuntime(1);

/** Largest difference of two arrays. */
const apart = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0);

test.each(listWorlds())(
  "%s: from the same state both engines make the same tick",
  async (name) => {
    const opened = await openPackage(folderSource(`${WORLDS_FOLDER}${name}`));
    const ort = await createNetworkModel(opened, ortEngine(runtime));
    const own = await createNetworkModel(opened, await openNodeEngine(opened, { engine: "own" }));
    let state: Snapshot = await ort.begin({ seed: 5, start: 0 });
    for (let tick = 0; tick < TICKS; tick++) {
      const action: Action = Float32Array.from(opened.manifest.actions, ({ min, max }, i) =>
        Math.min(max, Math.max(min, Math.sin(tick / 3 + i))),
      );
      const expected = await ort.advance(state, action);
      const found = await own.advance(state, action);
      expect(apart(found.latent, expected.latent)).toBeLessThan(2e-3);
      expect(apart(found.frame.rgba, expected.frame.rgba)).toBeLessThanOrEqual(1);
      state = expected;
    }
    await Promise.all([ort.close(), own.close()]);
  },
  60_000,
);

const tiny = fileURLToPath(new URL("../../tests/goldens/tiny-world", import.meta.url));

test("two sessions that take turns get what each alone gets: the window's slots are those of the state", async () => {
  const action = Float32Array.of(0.5, 1);
  const { world } = await openWorldNode(tiny, { engine: "own" });
  const opened = await openPackage(folderSource(tiny));
  const model = await createNetworkModel(opened, await openNodeEngine(opened, { engine: "own" }));
  let [a, b] = [await model.begin({ seed: 1, start: 0 }), await model.begin({ seed: 2, start: 1 })];
  await world.reset({ seed: 1 });
  for (let tick = 0; tick < 8; tick++) {
    [a, b] = [await model.advance(a, action), await model.advance(b, action)];
    expect((await world.step(action)).rgba).toEqual(a.frame.rgba);
  }
  expect(a.frame.rgba).not.toEqual(b.frame.rgba);
  await Promise.all([world.close(), model.close()]);
});

test.each(["float32", "int8"] as const)(
  "in %s the same frames on 1, 2 and 3 threads",
  async (precision) => {
    const frames: Uint8ClampedArray[] = [];
    for (const threads of [1, 2, 3]) {
      const { world } = await openWorldNode(`${WORLDS_FOLDER}pong`, { engine: "own", precision, threads });
      expect(world.backend).toMatchObject({
        name: "own",
        threads,
        machine: "wasm",
        precision,
        arithmetic: expect.stringContaining(precision),
      });
      await world.reset({ seed: 1 });
      const action = Float32Array.from(world.manifest.actions, ({ max }) => max);
      for (let tick = 0; tick < 3; tick++) await world.step(action);
      frames.push((await world.step(action)).rgba);
      await world.close();
    }
    expect(frames[1]).toEqual(frames[0]);
    expect(frames[2]).toEqual(frames[0]);
  },
  120_000,
);

test("auto: our own where it holds the frame rate, else the faster; onnxruntime, with the reason, where it isn't covered", async () => {
  const opened = await openPackage(folderSource(tiny));
  const own = await openNodeEngine(opened, { engine: "own" });
  const never = async (): Promise<Engine> => {
    throw new Error("onnxruntime was loaded");
  };
  const chosen = await chooseEngine("auto", opened, { own: async () => own, ort: never });
  expect(chosen.backend).toEqual(own.backend);

  const slow: Engine = {
    backend: own.backend,
    async createSession(bytes, spec) {
      const session = await own.createSession(bytes, spec);
      const wait = () => new Promise((resolve) => setTimeout(resolve, 2000 / opened.manifest.frameRate));
      return { ...session, run: (feeds) => wait().then(() => session.run(feeds)) };
    },
  };
  const ort = async () => ortEngine(runtime);
  const faster = await chooseEngine("auto", opened, { own: async () => slow, ort });
  expect(faster.backend).toMatchObject({ name: "cpu", detail: expect.stringContaining("own") });

  const uncovered = async (): Promise<Engine> => {
    throw new UnsupportedGraphError("tick.onnx: expected less");
  };
  const fallback = await chooseEngine("auto", opened, { own: uncovered, ort });
  expect(fallback.backend).toMatchObject({ name: "cpu", detail: "tick.onnx: expected less" });
  await expect(chooseEngine("own", opened, { own: uncovered, ort })).rejects.toThrow(UnsupportedGraphError);
  const world = createWorld(await createNetworkModel(opened, fallback));
  await world.reset({ seed: 1 });
  await world.close();
});
