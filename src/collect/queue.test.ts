/** The queue on a real Redis: workers and Redis itself are killed, and no episode is lost or taken twice. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { type AddressInfo, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { backwards, contentsOf, tinyPlan, WORLD, worldloop } from "../../tests/setup/collect";
import { ensureRedis } from "../../tests/setup/redis.mjs";
import { unpackEpisode } from "../dataset/episode";
import { folderSource } from "../model/folder-source";
import { openPackage } from "../model/package";
import { collect } from "./collect";
import type { Executor } from "./executor";
import { onQueue } from "./queue";

const redisServer = ensureRedis();
const WITHOUT = "no redis-server on the PATH, and none could be installed: the queue isn't tested";
const main = fileURLToPath(new URL("../cli/main.ts", import.meta.url));

let folder: string;
const children: ChildProcess[] = [];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "worldloop-queue-"));
});
afterAll(async () => {
  for (const child of children) child.kill("SIGKILL");
  await rm(folder, { recursive: true });
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function start(program: string, parameters: readonly string[]): ChildProcess {
  const child = spawn(program, parameters, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  return child;
}

/** A Redis that forgets everything when it ends. */
async function startRedis(port: number): Promise<ChildProcess> {
  const options = ["--port", String(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", folder];
  const child = start(redisServer as string, options);
  await said(child, "Ready to accept connections");
  return child;
}

async function startWorker(url: string): Promise<ChildProcess> {
  const child = start(process.execPath, ["--import", "tsx", main, "worker", "--redis", url, "--workers", "1"]);
  await said(child, "sessions wait for work");
  return child;
}

/** Waits until a program has written this to its standard output. */
async function said(child: ChildProcess, words: string): Promise<void> {
  let text = "";
  for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
    text += chunk;
    if (text.includes(words)) break;
  }
  expect(text).toContain(words);
}

async function kill(child: ChildProcess): Promise<void> {
  const exit = once(child, "exit");
  child.kill("SIGKILL");
  await exit;
}

test("without Redis collect says so", async () => {
  const url = `redis://127.0.0.1:${await freePort()}`;
  const options = ["--world", WORLD, "--episodes", "1", "--frames", "2", "--out", join(folder, "none")];
  const result = await worldloop(["collect", ...options, "--executor", "bullmq", "--redis", url]);
  expect(result).toMatchObject({ code: 2, stdout: "" });
  expect(result.stderr).toContain(`error: ${url}: expected a Redis server, got`);
  expect(await worldloop(["worker", "--redis", url])).toMatchObject({ code: 2, stdout: "" });
});

test("a worker and then Redis are killed mid-job: every episode is there once", {
  timeout: 240_000,
}, async (context) => {
  if (!redisServer) return context.skip(WITHOUT);
  const port = await freePort();
  const url = `redis://127.0.0.1:${port}`;
  let redis = await startRedis(port);
  const [doomed] = await Promise.all([startWorker(url), startWorker(url)]);

  const { manifest } = await openPackage(folderSource(WORLD));
  const plan = await tinyPlan({ episodes: 12, frames: 60 });
  const taken: number[] = [];
  const execute: Executor = (work) =>
    onQueue(url)({
      ...work,
      take: async (packed) => {
        await work.take(packed);
        taken.push(unpackEpisode("taken", packed).rollout.episode.number);
        if (taken.length === 2) await kill(doomed as ChildProcess);
        if (taken.length === 5) {
          await kill(redis);
          redis = await startRedis(port);
        }
      },
    });
  const options = { plan, manifest, resume: false, onEpisode: () => undefined, signal: new AbortController().signal };
  expect(await collect({ ...options, out: join(folder, "queued"), execute })).toEqual({ done: 12, of: 12 });
  expect(taken.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 12 }, (_, i) => i));
  await collect({ ...options, out: join(folder, "here"), execute: backwards() });
  expect(await contentsOf(join(folder, "queued"))).toEqual(await contentsOf(join(folder, "here")));
});
