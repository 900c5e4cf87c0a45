/** What happens around the network: broken numbers, a failing run, a session that isn't what the manifest says. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import type { Bytes } from "./bytes";
import { createWorld } from "./create-world";
import { ortEngine } from "./engine";
import { folderSource } from "./folder-source";
import type { Runtime } from "./graph-session";
import { createNetworkModel } from "./network-model";
import { findWorld, loadNodeRuntime, placeOf } from "./node-runtime";
import { openPackage, type WorldPackage } from "./package";

const folder = fileURLToPath(new URL("../../tests/goldens/tiny-world", import.meta.url));
const opened = await openPackage(folderSource(folder));
const runtime = await loadNodeRuntime(1);
const action = Float32Array.of(0.5, 1);
/** The package with one file of other contents. */
const swapped = (path: string, contents: Bytes): WorldPackage => ({
  ...opened,
  read: async (asked) => (asked === path ? contents : opened.read(asked)),
});

test("latents that aren't finite give an error that names the tick, and the state stays as it was", async () => {
  const broken = swapped("starts/1.latents", new Uint8Array(new Float32Array(24).fill(Number.NaN).buffer));
  const world = createWorld(await createNetworkModel(broken, ortEngine(runtime)));
  await expect(world.reset({ seed: 1, start: 1 })).rejects.toMatchObject({ name: "StateError", message: /Tick 0/ });
  await world.reset({ seed: 1 });
  const snapshot = await world.snapshot();
  await world.restore({ ...snapshot, latent: snapshot.latent.map(() => Number.NaN) });
  await expect(world.step(action)).rejects.toMatchObject({ name: "StateError", message: /Tick 1: expected finite/ });
  expect((await world.snapshot()).tick).toBe(0);
  await world.close();
});

test("pictures that the encoder can't read are said to be that, whichever of them", async () => {
  const engine = ortEngine(runtime);
  const world = createWorld(
    await createNetworkModel(opened, {
      ...engine,
      async createSession(bytes, spec) {
        const session = await engine.createSession(bytes, spec);
        if (spec.file !== "encoder.onnx") return session;
        const run: typeof session.run = async (feeds) =>
          (feeds.picture as Uint8Array).some((value) => value > 0)
            ? session.run(feeds)
            : { latent: new Float32Array(24).fill(Number.NaN) };
        return { ...session, run };
      },
    }),
  );
  const frames = new Uint8Array(2 * 16 * 16 * 3).fill(200, 16 * 16 * 3); // the first is black
  await expect(world.reset({ seed: 1, context: { frames, actions: action } })).rejects.toMatchObject({
    name: "ResetError",
    message: /context, picture 0: expected one that the world's encoder can read/,
  });
  await world.close();
});

test("a run that fails rejects its own step only", async () => {
  let failing = false;
  const flaky: Runtime = {
    ...runtime,
    ort: {
      Tensor: runtime.ort.Tensor,
      InferenceSession: {
        async create(bytes, options) {
          const session = await runtime.ort.InferenceSession.create(bytes, options);
          const run = session.run.bind(session);
          session.run = async (feeds: Parameters<typeof run>[0]) => {
            if (failing) throw new Error("out of memory");
            return run(feeds);
          };
          return session;
        },
      },
    },
  };
  const world = createWorld(await createNetworkModel(opened, ortEngine(flaky)));
  await world.reset({ seed: 1 });
  failing = true;
  const failed = world.step(action);
  const next = failed.catch(() => {
    failing = false;
    return world.step(action);
  });
  await expect(failed).rejects.toThrow("out of memory");
  expect((await next).tick).toBe(1);
  await world.close();
});

test("a graph that isn't the manifest's, or none at all, is refused", async () => {
  const other = swapped("tick.onnx", await opened.read("encoder.onnx"));
  await expect(createNetworkModel(other, ortEngine(runtime))).rejects.toMatchObject({
    name: "ShapeError",
    message: expect.stringContaining("tick.onnx, inputs: expected action, age, kv, latent, noise, got before, picture"),
  });
  const wider = { ...opened.manifest.tick, inputs: { ...opened.manifest.tick.inputs } };
  wider.inputs.action = { dtype: "float32", shape: [1, 3] };
  const manifest = { ...opened.manifest, tick: wider };
  await expect(createNetworkModel({ ...opened, manifest }, ortEngine(runtime))).rejects.toMatchObject({
    name: "ShapeError",
    message: expect.stringContaining("action: expected float32 [1, 3], got float32 [1, 2]"),
  });
  const empty = swapped("tick.onnx", new Uint8Array(8));
  await expect(createNetworkModel(empty, ortEngine(runtime))).rejects.toMatchObject({
    name: "BackendError",
  });
});

test("a record names its world by what finds it again, whatever the manifest calls it", () => {
  const worlds = fileURLToPath(new URL("../../tests/goldens/", import.meta.url));
  const renamed = { ...opened.manifest, name: "another" };
  expect(placeOf("tiny-world", renamed, worlds)).toEqual({ world: "tiny-world" });
  expect(placeOf(folder, renamed, worlds)).toEqual({ world: "another", folder });
});

test("a world is found by name or folder; a slip of the finger is guessed", () => {
  const worlds = fileURLToPath(new URL("../../tests/goldens/", import.meta.url));
  expect(findWorld("tiny-world", worlds)).toBe(folder);
  expect(findWorld(folder, worlds)).toBe(folder);
  expect(() => findWorld("tiny-wrld", worlds)).toThrow(
    'world: expected one of tiny-guide, tiny-prompt, tiny-world or a zip or a folder with a world.json, got "tiny-wrld"; did you mean "tiny-world"?',
  );
  for (const nonsense of ["a\0b", "x".repeat(100_000), "\ud800", "", "/dev/null", "."]) // as a recorded file may name one
    expect(() => findWorld(nonsense, worlds)).toThrow(expect.objectContaining({ name: "UnknownWorldError" }));
  expect(() => findWorld("doom", worlds)).toThrow(expect.not.objectContaining({ message: /did you mean/ }));
});
