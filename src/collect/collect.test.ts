/** Collecting on the tiny world: whatever order, shard, thread or interruption, the same plan gives the same dataset. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { backwards, contentsOf, tinyPlan, WORLD, worldloop } from "../../tests/setup/collect";
import { folderSource } from "../model/folder-source";
import type { Manifest } from "../model/manifest";
import { openPackage } from "../model/package";
import { collect } from "./collect";
import type { Executor } from "./executor";
import { beginningOf, episodesOf, type Plan } from "./plan";

let folder: string;
let manifest: Manifest;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "worldloop-collect-"));
  ({ manifest } = await openPackage(folderSource(WORLD)));
});
afterAll(() => rm(folder, { recursive: true }));

interface Options {
  readonly execute?: Executor;
  readonly resume?: boolean;
  readonly signal?: AbortSignal;
}

const collectTo = (out: string, plan: Plan, { execute = backwards(), resume = false, signal }: Options = {}) =>
  collect({
    ...{ plan, manifest, out: join(folder, out), resume, execute, onEpisode: () => undefined },
    signal: signal ?? new AbortController().signal,
  });

test("shards have every episode once, and an episode's seed depends on the plan's seed and its number alone", async () => {
  const plan = await tinyPlan({ episodes: 11 });
  const shards = [0, 1, 2].flatMap((index) => episodesOf({ ...plan, shard: { index, of: 3 } }));
  expect(shards.sort((a, b) => a - b)).toEqual(episodesOf(plan));
  const seeds = episodesOf(plan).map((episode) => beginningOf(plan, episode, 2).seed);
  expect(new Set(seeds).size).toBe(11);
  expect(seeds.every(Number.isSafeInteger)).toBe(true);
  expect(beginningOf({ ...plan, episodes: 1, shard: { index: 0, of: 9 } }, 3, 2)).toEqual(beginningOf(plan, 3, 2));
  expect(beginningOf({ ...plan, seed: 2 }, 3, 2).seed).not.toBe(seeds[3]);
});

test("threads, another order and merged shards give the same bytes; a replay gives the same frames", async () => {
  const plan = await tinyPlan();
  await collectTo("whole", plan);
  const whole = await contentsOf(join(folder, "whole"));
  const options = ["--world", WORLD, "--episodes", "5", "--frames", "6", "--seed", "1"];
  const pooled = await worldloop(["collect", ...options, "--workers", "2", "--out", join(folder, "pooled")]);
  expect(pooled).toMatchObject({ code: 0 });
  expect(pooled.stdout).toBe(`5 episodes of tiny-world in ${join(folder, "pooled")} (lerobot)\n`);
  expect(pooled.stderr).toMatch(/5 of 5 episodes, [\d.]+ episodes\/s, 0 s left\n$/);
  expect(await contentsOf(join(folder, "pooled"))).toEqual(whole);

  const shards = ["shard-0", "shard-1"];
  for (const [index, shard] of shards.entries()) await collectTo(shard, { ...plan, shard: { index, of: 2 } });
  const paths = shards.map((shard) => join(folder, shard));
  const short = await worldloop(["merge", paths[0] as string, "--out", join(folder, "merged")]);
  expect(short).toMatchObject({ code: 2, stdout: "" });
  expect(short.stderr).toContain("expected all 5 episodes of the plan, got 3");
  const twice = await worldloop(["merge", ...paths, paths[0] as string, "--out", join(folder, "merged")]);
  expect(twice.stderr).toContain("episode 0: expected it once");
  expect(await worldloop(["merge", ...paths, "--out", join(folder, "merged")])).toMatchObject({ code: 0 });
  expect(await contentsOf(join(folder, "merged"))).toEqual(whole);

  const replayed = await worldloop(["verify", join(folder, "merged/rollouts/000003.json")]);
  expect(replayed).toMatchObject({ code: 0, stdout: "5 frames of tiny-world are the same\n" });
});

test("worlds are told something, one prompt an episode in turn, and the task says what", async () => {
  const prompted = fileURLToPath(new URL("../../tests/goldens/tiny-prompt", import.meta.url));
  const out = join(folder, "told");
  const options = ["--episodes", "3", "--frames", "3", "--workers", "1", "--out", out];
  const told = ["--prompt", "night, snow", "blue rain"];
  const { code, stderr } = await worldloop(["collect", "--world", prompted, ...options, ...told]);
  expect(code).toBe(0);
  expect(stderr).toContain("warning: to tiny-prompt nothing is meant by blue\n");
  const read = async (n: number) => JSON.parse(await readFile(join(out, `rollouts/00000${n}.json`), "utf8"));
  const rollouts = await Promise.all([0, 1, 2].map(read));
  expect(rollouts.map(({ prompts }) => prompts[0].text)).toEqual(["night, snow", "blue rain", "night, snow"]);
  expect(rollouts.map(({ episode }) => episode.task)).toEqual(
    ["night, snow", "blue rain", "night, snow"].map((text) => `Tiny world: ${text}`),
  );
  expect(await worldloop(["verify", out])).toMatchObject({ code: 0 });
  const untold = ["collect", "--world", WORLD, ...options.with(-1, join(folder, "untold")), ...told];
  expect(await worldloop(untold)).toMatchObject({ code: 2, stderr: expect.stringMatching(/tiny-world takes none/) });
});

test("an interrupted run leaves a valid dataset; --resume completes it, and refuses another plan", async () => {
  const plan = await tinyPlan({ format: "npz" });
  await collectTo("npz", plan);
  const stop = new AbortController();
  const execute = backwards((episode) => episode === 3 && stop.abort());
  expect(await collectTo("stopped", plan, { execute, signal: stop.signal })).toEqual({ done: 2, of: 5 });
  const names = () => readdir(join(folder, "stopped"));
  expect((await names()).filter((name) => name.endsWith(".npz"))).toHaveLength(2);

  await expect(collectTo("stopped", plan)).rejects.toThrow("go on with --resume");
  const other = { ...plan, frames: 7 };
  await expect(collectTo("stopped", other, { resume: true })).rejects.toThrow(
    "expected the same plan (frames 7), got 6",
  );
  expect(await collectTo("stopped", plan, { resume: true })).toEqual({ done: 5, of: 5 });
  expect(await contentsOf(join(folder, "stopped"))).toEqual(await contentsOf(join(folder, "npz")));
  const nothing: Executor = () => Promise.reject(new Error("expected no work"));
  expect(await collectTo("stopped", plan, { resume: true, execute: nothing })).toEqual({ done: 5, of: 5 });
});

test("Ctrl-C ends the episode under way, leaves a valid dataset and says how to go on", async () => {
  const out = join(folder, "ctrl-c");
  const options = ["--world", WORLD, "--episodes", "300", "--frames", "20", "--workers", "1", "--out", out];
  const main = fileURLToPath(new URL("../cli/main.ts", import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", main, "collect", ...options]);
  let said = "";
  child.stdout.on("data", (chunk: Buffer) => {
    said += chunk;
  });
  child.stderr.once("data", () => child.kill("SIGINT")); // the first line of progress
  const [code] = await once(child, "exit");
  expect(code).toBe(130);
  const { total_episodes: done } = JSON.parse(await readFile(join(out, "meta/info.json"), "utf8"));
  expect(said).toBe(
    `${done} episodes of tiny-world in ${out} (lerobot); ${300 - done} are missing: go on with --resume\n`,
  );
  expect(done).toBeGreaterThanOrEqual(30);
  expect(done).toBeLessThan(300);
  expect(await readdir(join(out, "rollouts"))).toHaveLength(done);
  expect((await readdir(join(out, ".collect"))).filter((name) => name.endsWith(".partial"))).toEqual([]);
});

test("a worker that fails leaves what was finished, and half-written files are not taken for episodes", async () => {
  const plan = await tinyPlan();
  const execute = backwards((episode) => {
    if (episode === 2) throw new Error("a fault");
  });
  await expect(collectTo("failed", plan, { execute })).rejects.toThrow("a fault");
  expect(JSON.parse(await readFile(join(folder, "failed/meta/info.json"), "utf8"))).toMatchObject({
    total_episodes: 2,
    total_frames: 12,
  });
  await writeFile(join(folder, "failed/.collect/000001.episode.partial"), "half");
  expect(await collectTo("failed", plan, { resume: true })).toEqual({ done: 5, of: 5 });
  expect(await contentsOf(join(folder, "failed"))).toEqual(await contentsOf(join(folder, "whole")));
});

const PLAN = ["--world", WORLD, "--episodes", "5", "--frames", "6", "--seed", "1", "--format", "npz"];
test.each([
  ["an episode on its way", /\.collect\/000001\.episode$/, ["collect", ...PLAN, "--resume", "--out", "odd"]],
  ["a rollout", /rollouts\/000003\.json$/, ["merge", "odd", "--partial", "--out", "merged-odd"]],
  ["an episode's arrays", /odd\/train-000003-\d+\.npz$/, ["merge", "odd", "--partial", "--out", "merged-odd"]],
])("a folder in the place of %s is bad input, told in one line", async (_, wanted, command) => {
  const stop = new AbortController();
  const execute = backwards((episode) => episode === 2 && stop.abort());
  await collectTo("odd", await tinyPlan({ format: "npz" }), { execute, signal: stop.signal });
  const files = Object.keys(await contentsOf(join(folder, "odd"))).map((name) => join(folder, "odd", name));
  const place = files.find((path) => wanted.test(path)) ?? join(folder, "odd/.collect/000001.episode");
  await rm(place, { force: true });
  await mkdir(place);
  const { code, stdout, stderr } = await worldloop(
    command.map((word) => (word.includes("odd") ? join(folder, word) : word)),
  );
  expect({ code, stdout }).toEqual({ code: 2, stdout: "" });
  expect(stderr).toContain(`error: ${place}: expected a file written by collect, got a folder\n`);
  await rm(join(folder, "odd"), { recursive: true });
});

const small = join(tmpdir(), `worldloop-small-disk-${process.pid}`);
const mounted = () => spawnSync("mount", ["-t", "tmpfs", "-o", "size=4200k", "tmpfs", small]).status === 0;

test("a full disk is told in one line, and what was finished is a valid dataset that can be resumed", async (context) => {
  await mkdir(small);
  try {
    if (!mounted()) return context.skip("needs a small disk: mounting a tmpfs wants root");
    const plan = await tinyPlan({ episodes: 40, frames: 30 });
    const options = { plan, manifest, out: join(small, "out"), execute: backwards(), onEpisode: () => undefined };
    const { signal } = new AbortController();
    await expect(collect({ ...options, resume: false, signal })).rejects.toThrow("got a full disk");
    const info = JSON.parse(await readFile(join(small, "out/meta/info.json"), "utf8"));
    expect(info.total_episodes).toBeGreaterThan(0);
    expect(info.total_episodes).toBeLessThan(40);
    expect(spawnSync("mount", ["-o", "remount,size=64m", small]).status).toBe(0);
    expect(await collect({ ...options, resume: true, signal })).toEqual({ done: 40, of: 40 });
  } finally {
    spawnSync("umount", [small]);
    await rm(small, { recursive: true });
  }
});

const BAD: [string, Record<string, string>, string][] = [
  ["an unknown policy", { "--policy": "rondom" }, "expected random, scripted, onnx:FILE or ws://…"],
  ["a world without a driver", { "--policy": "scripted" }, "expected a world with a scripted driver (car-racing), got"],
  ["a policy that isn't there", { "--policy": "onnx:none.onnx" }, "onnx:none.onnx: expected a file"],
  ["a graph that is no policy", { "--policy": `onnx:${WORLD}/tick.onnx` }, "expected picture, got"],
  ["a policy that doesn't answer", { "--policy": "ws://127.0.0.1:9" }, "ws://127.0.0.1:9: expected a policy, got"],
  ["an unknown format", { "--format": "zip" }, "--format: expected lerobot, npz, mp4"],
  ["a shard that isn't", { "--shard": "3/3" }, "--shard: expected i/n with i from 0 to n - 1"],
  ["one frame", { "--frames": "1" }, "--frames: expected an integer from 2"],
  ["an unknown executor", { "--executor": "cloud" }, "--executor: expected pool or bullmq"],
];

test.each(BAD)("collect refuses %s in one line and writes nothing", async (_, options, message) => {
  const all = { "--world": WORLD, "--episodes": "2", "--frames": "4", "--out": join(folder, "bad"), ...options };
  const result = await worldloop(["collect", ...Object.entries(all).flat()]);
  expect(result).toMatchObject({ code: 2, stdout: "" });
  expect(result.stderr).toMatch(/^error: [^\n]+\n$/);
  expect(result.stderr).toContain(message);
  expect(await readdir(folder)).not.toContain("bad");
});
