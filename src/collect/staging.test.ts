/** The staging folder on a disk that fails, and with more episodes than may be in memory at once. */
import * as fs from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { backwards, tinyPlan, WORLD } from "../../tests/setup/collect";
import { folderSource } from "../model/folder-source";
import { openPackage } from "../model/package";
import { collect } from "./collect";
import type { Plan } from "./plan";

/** Files of episodes being read now and at most; and the name of the file whose writing fails half-way. */
const disk = vi.hoisted(() => ({ reading: 0, most: 0, full: "" }));

vi.mock("node:fs/promises", async (load) => {
  const real = await load<typeof fs>();
  return {
    ...real,
    async readFile(path: string, ...rest: []) {
      if (!/\.episode$|rollouts.*\.json$/.test(path)) return real.readFile(path, ...rest);
      disk.reading += 1;
      disk.most = Math.max(disk.most, disk.reading);
      return real.readFile(path, ...rest).finally(() => {
        disk.reading -= 1;
      });
    },
    async writeFile(path: string, data: string, ...rest: []) {
      if (!disk.full || !path.includes(disk.full)) return real.writeFile(path, data, ...rest);
      await real.writeFile(path, data.slice(0, data.length / 2));
      throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC", syscall: "write" });
    },
  };
});

let folder: string;
beforeAll(async () => {
  folder = await fs.mkdtemp(join(tmpdir(), "worldloop-staging-"));
});
afterAll(() => fs.rm(folder, { recursive: true }));
beforeEach(() => Object.assign(disk, { reading: 0, most: 0, full: "" }));

async function collectTo(out: string, plan: Plan, resume = false) {
  const { manifest } = await openPackage(folderSource(WORLD));
  const { signal } = new AbortController();
  const options = { plan, manifest, resume, signal, execute: backwards(), onEpisode: () => undefined };
  return collect({ ...options, out: join(folder, out) });
}

test("a dataset is made of one episode at a time", async () => {
  await collectTo("whole", await tinyPlan({ episodes: 12 }));
  expect(disk.most).toBe(1);
});

test.each([
  ["an episode", "000002.episode", 2],
  ["the dataset", "info.json", 5],
])("a disk that is full when %s is written leaves nothing half-written, and can be resumed", async (_, full, kept) => {
  const plan = await tinyPlan();
  const out = `full-at-${kept}`;
  disk.full = full;
  await expect(collectTo(out, plan)).rejects.toMatchObject({
    name: "OutputError",
    message: /got a full disk; .*--resume/,
  });
  const staged = await fs.readdir(join(folder, out, ".collect"));
  expect(staged.filter((name) => name.endsWith(".episode"))).toHaveLength(kept);
  expect(staged).toHaveLength(kept + 1); // and the plan
  disk.full = "";
  expect(await collectTo(out, plan, true)).toEqual({ done: 5, of: 5 });
});

test("an episode under another one's number is no episode", async () => {
  const plan = await tinyPlan();
  disk.full = "000002.episode";
  await expect(collectTo("copied", plan)).rejects.toThrow("a full disk");
  disk.full = "";
  const at = (number: number) => join(folder, "copied/.collect", `00000${number}.episode`);
  await fs.copyFile(at(4), at(0)); // they are played backwards
  await expect(collectTo("copied", plan, true)).rejects.toThrow("expected episode 0, got 4; delete it and collect it");
  await fs.rename(at(0), join(folder, "copied/.collect/notes.episode")); // a stranger's
  expect(await collectTo("copied", plan, true)).toEqual({ done: 5, of: 5 });
});

test("a disk that is full at once leaves nothing behind", async () => {
  disk.full = "worldloop.json";
  await expect(collectTo("none/at/all", await tinyPlan())).rejects.toThrow("got a full disk; choose another");
  expect(await fs.readdir(folder)).not.toContain("none");
});
