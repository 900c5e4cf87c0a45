/** What a person played becomes training data, from each of the three records that the page and `rollout` leave. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WORLD, worldloop } from "../../tests/setup/collect";
import { folderSource } from "../model/folder-source";
import { openPackage } from "../model/package";
import { formatActionLog } from "../record/action-log";
import { formatHash, packActions, packageMark, unpackActions } from "../record/share-link";

const ACTIONS = Array.from({ length: 8 }, (_, i) => Float32Array.of((i % 3) - 1, (i % 2) / 3));

let folder: string;
let log: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "worldloop-export-"));
  const { manifest } = await openPackage(folderSource(WORLD));
  log = join(folder, "actions.jsonl");
  await writeFile(log, formatActionLog(manifest.actions, ACTIONS));
});
afterAll(() => rm(folder, { recursive: true }));

const exported = (source: string, out: string, ...options: string[]) =>
  worldloop(["export-session", source, "--out", join(folder, out), ...options]);
const played = ["--world", WORLD, "--seed", "9", "--start", "1"];
const npzOf = async (out: string) => {
  const name = (await readdir(join(folder, out))).find((file) => file.endsWith(".npz")) ?? "none";
  return { name, bytes: await readFile(join(folder, out, name)) };
};

test("an action log, a share link and a rollout of one drive give the same bytes, and it can be verified", async () => {
  const first = await exported(log, "log", ...played);
  expect(first).toMatchObject({ code: 0, stdout: `9 frames of tiny-world in ${join(folder, "log")} (npz)\n` });
  const { name, bytes } = await npzOf("log");
  expect(name).toBe("train-000000-9.npz");

  const { manifest, sha256 } = await openPackage(folderSource(WORLD));
  const replay = await packActions(ACTIONS);
  expect(await unpackActions(replay, manifest.actions)).toEqual(ACTIONS);
  const shared = { world: "tiny-world", seed: 9, start: 1, package: packageMark(sha256), replay };
  expect(await exported(`http://localhost/${formatHash(shared)}`, "link", "--world", WORLD)).toMatchObject({ code: 0 });
  expect((await npzOf("link")).bytes.equals(bytes)).toBe(true);

  const rollout = ["rollout", ...played, "--actions", log, "--threads", "1", "--out", join(folder, "rollout")];
  expect(await worldloop(rollout)).toMatchObject({ code: 0 });
  expect(await exported(join(folder, "rollout/rollout.json"), "again")).toMatchObject({ code: 0 });
  expect((await npzOf("again")).bytes.equals(bytes)).toBe(true);

  const verdict = await worldloop(["verify", join(folder, "log/rollouts/000000.json")]);
  expect(verdict).toMatchObject({ code: 0, stdout: "8 frames of tiny-world are the same\n" });
});

test.each([
  ["no world", ["--seed", "1"], "--world: expected the world that the log was played in"],
  ["no seed", ["--world", WORLD], "--seed: expected an integer from 0"],
  ["an unknown format", [...played, "--format", "gif"], "--format: expected lerobot, npz, mp4"],
  ["a start out of range", ["--world", WORLD, "--seed", "1", "--start", "7"], "start: expected an integer from 0 to 1"],
])("%s is refused in one line, and nothing is written", async (_, options, message) => {
  const result = await exported(log, "bad", ...options);
  expect(result).toMatchObject({ code: 2, stdout: "" });
  expect(result.stderr).toContain(message);
  expect(await readdir(folder)).not.toContain("bad");
});

test("a link made with another version of the world is refused; an old link that doesn't say is not", async () => {
  const shared = { world: "tiny-world", seed: 9, start: 1, replay: await packActions(ACTIONS) };
  const other = formatHash({ ...shared, package: "0123456789abcdef" });
  const refused = await exported(`http://localhost/${other}`, "other", "--world", WORLD);
  expect(refused).toMatchObject({ code: 2, stdout: "" });
  expect(refused.stderr).toContain("made with another version of this world");
  expect(await exported(`http://localhost/${formatHash(shared)}`, "old", "--world", WORLD)).toMatchObject({ code: 0 });
});

test("a link of a world from elsewhere is played in the one that was brought here, if it is that one", async () => {
  const replay = await packActions(ACTIONS);
  const link = (sha256: string) =>
    `http://localhost/${formatHash({ foreign: { address: "https://example.org/w.zip", sha256 }, seed: 9, start: 1, replay })}`;
  const sha256 = (await openPackage(folderSource(WORLD))).sha256;
  expect((await exported(link(sha256), "bad")).stderr).toContain(
    `worldloop add https://example.org/w.zip --sha256 ${sha256}`,
  );
  expect((await exported(link("0".repeat(64)), "bad", "--world", WORLD)).stderr).toContain("another version");
  expect(await exported(link(sha256), "foreign", "--world", WORLD)).toMatchObject({ code: 0 });
});

test("a link without the drive, and an empty log, are refused", async () => {
  expect((await exported("http://localhost/#world=tiny-world&seed=1", "bad")).stderr).toContain("the drive in it");
  await writeFile(join(folder, "empty.jsonl"), "");
  expect((await exported(join(folder, "empty.jsonl"), "bad", ...played)).stderr).toContain(
    "one or more actions, got none",
  );
});
