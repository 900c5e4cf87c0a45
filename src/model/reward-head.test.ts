import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { createWorld } from "./create-world";
import { folderSource } from "./folder-source";
import { parseManifest } from "./manifest";
import { createNetworkModel } from "./network-model";
import { ownEngine } from "./own-engine";
import { openPackage, type PackageSource } from "./package";
import { rewardGraph, withReward } from "./reward.fixture";
import { withOutcomes } from "./reward-head";
import type { Frame } from "./world";

const FOLDER = "tests/goldens/tiny-world";
const text = readFileSync(`${FOLDER}/world.json`, "utf8");

/** The tiny world with a head; `asked` counts how often it was fetched, `missing` makes it fail. */
async function openTiny(options: { broken?: boolean; missing?: () => boolean } = {}) {
  const { broken = false, missing = () => false } = options;
  const graph = rewardGraph(parseManifest(text), broken);
  const plain = folderSource(FOLDER);
  const asked: string[] = [];
  const source: PackageSource = {
    async read(path, options) {
      asked.push(path);
      if (path === "world.json")
        return new TextEncoder().encode(await withReward(text, graph)) as Uint8Array<ArrayBuffer>;
      if (path !== "reward.onnx") return plain.read(path, options);
      if (missing()) throw new Error("it isn't there");
      return graph;
    },
  };
  const engine = ownEngine();
  const opened = await openPackage(source, { start: 0 });
  const world = createWorld(withOutcomes(await createNetworkModel(opened, engine), opened, engine));
  return { world, asked };
}

const act = (steer: number, gas: number) => Float32Array.of(steer, gas);
const totalOf = ({ outcome }: Frame) => (outcome && "total" in outcome ? outcome.total : outcome);

it("fetches the head with the first beginning, not before, and says what each step was worth", async () => {
  const { world, asked } = await openTiny();
  expect(asked).not.toContain("reward.onnx");
  expect((await world.reset({ seed: 7 })).outcome).toBeUndefined();
  expect((await world.step(act(0, 0.5))).outcome).toEqual({ reward: 0.5, total: 0.5, done: false });
  expect((await world.step(act(1, 0.25))).outcome).toEqual({ reward: 0.25, total: 0.75, done: true });
  expect(asked.filter((path) => path === "reward.onnx")).toHaveLength(1);
});

it("takes the total back with the world: by rewinding, by a snapshot, by a reset", async () => {
  const { world } = await openTiny();
  await world.reset({ seed: 7 });
  for (let i = 0; i < 4; i++) await world.step(act(0, 1));
  const snapshot = await world.snapshot();
  expect(totalOf(await world.rewind(3))).toBe(1);
  expect(totalOf(await world.step(act(0, 0.5)))).toBe(1.5);
  expect(totalOf(await world.restore(snapshot))).toBe(4);
  expect(totalOf(await world.step(act(0, 1)))).toBe(5);
  await world.reset({ seed: 7 });
  expect(totalOf(await world.step(act(0, 1)))).toBe(1);
});

it("dreams the same with the head as without", async () => {
  const { world } = await openTiny();
  const engine = ownEngine();
  const bare = createWorld(await createNetworkModel(await openPackage(folderSource(FOLDER)), engine));
  await Promise.all([world.reset({ seed: 7 }), bare.reset({ seed: 7 })]);
  for (let i = 0; i < 5; i++) {
    const [judged, plain] = await Promise.all([world.step(act(0.3, 1)), bare.step(act(0.3, 1))]);
    expect(judged.rgba).toEqual(plain.rgba);
    expect("outcome" in plain).toBe(false);
  }
});

it("goes on without a head that isn't there, says so in each frame, and tries again from the next beginning", async () => {
  let isMissing = true;
  const { world, asked } = await openTiny({ missing: () => isMissing });
  await world.reset({ seed: 7 });
  for (let i = 0; i < 3; i++) {
    expect((await world.step(act(0, 1))).outcome).toEqual({ error: expect.stringContaining("isn't there") });
  }
  expect(asked.filter((path) => path === "reward.onnx").length).toBeLessThan(3);
  isMissing = false;
  await world.reset({ seed: 7 });
  expect(totalOf(await world.step(act(0, 1)))).toBe(1);
});

it("shows no reward that isn't a number", async () => {
  const { world } = await openTiny({ broken: true });
  await world.reset({ seed: 7 });
  const { outcome } = await world.step(act(0, 1));
  expect(outcome).toEqual({ error: expect.stringMatching(/expected a finite reward .*got Infinity/) });
});
