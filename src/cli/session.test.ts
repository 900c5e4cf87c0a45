/** `rollout --session`: what the page saved, played without it. */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WORLD, worldloop } from "../../tests/setup/collect";
import type { Rollout } from "../dataset/rollout-file";
import { createJournal } from "../model/journal";
import { openWorldNode } from "../model/node-runtime";
import { recordCalls } from "../model/recorded-world";
import { formatSession, type SavedSession } from "../record/session-file";

let folder: string;
let session: SavedSession;
/** sha256 of each frame of the second branch, as the world showed it when it was played. */
const shown: string[] = [];
const file = (name: string) => join(folder, name);
const hash = async (rgba: Uint8ClampedArray) =>
  Buffer.from(
    await crypto.subtle.digest(
      "SHA-256",
      rgba.filter((_, i) => i % 4 !== 3),
    ),
  ).toString("hex");

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "worldloop-session-"));
  const opened = await openWorldNode(WORLD, { engine: "own", threads: 1 });
  const journal = createJournal();
  const world = recordCalls(opened.world, () => undefined, journal);
  await world.reset({ seed: 7, start: 1 });
  for (let tick = 1; tick <= 12; tick++) shown[tick] = await hash((await world.step(Float32Array.of(0.5, 1))).rgba);
  await world.seek({ branch: 0, tick: 4 });
  for (let tick = 5; tick <= 9; tick++) shown[tick] = await hash((await world.step(Float32Array.of(-0.3, 0))).rgba);
  shown.length = 10;
  journal.rename(1, "left turn");
  await opened.world.close();
  session = {
    world: WORLD,
    packageSha256: opened.package.sha256,
    engine: { name: "own", precision: "float32" },
    ...{ seed: 7, start: 1, actionNames: ["steer", "gas"], record: journal.record(), frameSha256: shown[9] as string },
  };
  await writeFile(file("session.json"), formatSession(session));
});
afterAll(() => rm(folder, { recursive: true }));

const readLog = async (name: string): Promise<Rollout> =>
  JSON.parse(await readFile(file(`${name}/rollout.json`), "utf8"));

test("plays the branch that the session was left in, to the frames that were shown, and by name another one", async () => {
  const left = await worldloop(["rollout", "--session", file("session.json"), "--out", file("left")]);
  expect(left).toMatchObject({ code: 0, stderr: "" });
  expect(left.stdout).toMatch(/^9 frames of tiny-world .*; tick 9 is the frame that the page showed\n$/);
  expect(await readLog("left")).toMatchObject({ frameHashes: shown.slice(1), seed: 7, start: 1, backend: "own" });
  const first = await worldloop([
    "rollout",
    "--session",
    file("session.json"),
    "--branch",
    "Branch 1",
    "--out",
    file("first"),
  ]);
  expect(first.stdout).toMatch(/^12 frames [^;]*\n$/);
  expect((await readLog("first")).frameHashes.slice(0, 4)).toEqual(shown.slice(1, 5));
  expect(await worldloop(["verify", file("left/rollout.json")])).toMatchObject({ code: 0 });
});

test("says when another engine shows another frame", async () => {
  const wrong = { ...session, frameSha256: "0".repeat(64) };
  await writeFile(file("wrong.json"), formatSession(wrong));
  const { code, stdout } = await worldloop(["rollout", "--session", file("wrong.json"), "--out", file("wrong")]);
  expect(code).toBe(0);
  expect(stdout).toMatch(/tick 9 isn't the frame that the page showed \(made on own, float32; played on own/);
});

test("one from a picture brings it along into the rollout, and is no dataset", async () => {
  const picture = Uint8Array.from({ length: 16 * 16 * 3 }, (_, i) => (i * 7) % 256);
  await writeFile(file("own.json"), formatSession({ ...session, picture }));
  const played = await worldloop(["rollout", "--session", file("own.json"), "--out", file("own")]);
  expect(played).toMatchObject({ code: 0, stderr: "" });
  const { start, context, frameHashes } = await readLog("own");
  expect([start, context?.actions]).toEqual([undefined, []]);
  expect(frameHashes[0]).not.toBe(shown[1]);
  expect((await readFile(file(`own/${context?.frames.file}`))).subarray(-picture.length)).toEqual(Buffer.from(picture));
  expect(await worldloop(["verify", file("own/rollout.json")])).toMatchObject({ code: 0 });
  const { code, stderr } = await worldloop(["export-session", file("own.json"), "--out", file("own-set")]);
  expect({ code, stderr }).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/got one from a picture; use rollout/),
  });
});

test("becomes a dataset", async () => {
  const { code, stderr } = await worldloop(["export-session", file("session.json"), "--out", file("set")]);
  expect({ code, stderr: stderr.replace(/\r?frames.*/g, "") }).toMatchObject({ code: 0 });
  expect((await readdir(file("set"))).length).toBeGreaterThan(0);
});

test.each<[string, (session: SavedSession) => string, string[], RegExp]>([
  [
    "a branch that isn't there",
    formatSession,
    ["--branch", "right"],
    /one of the branches 1 "Branch 1" \(12 ticks\), 2 "left turn" \(9 ticks\), got "right"/,
  ],
  ["a second seed", formatSession, ["--seed", "3"], /--session or --seed, got both/],
  ["actions beside it", formatSession, ["--actions", "x.jsonl"], /--session or --actions, got both/],
  [
    "another package",
    (s) => formatSession({ ...s, packageSha256: "c".repeat(64) }),
    [],
    /another version of this world/,
  ],
  ["an unknown world", (s) => formatSession({ ...s, world: "nowhere" }), [], /got "nowhere"/],
  ["half a file", (s) => formatSession(s).slice(0, 200), [], /bad\.json: session: expected a file/],
  [
    "other actions",
    (s) => formatSession({ ...s, actionNames: ["gas", "steer"] }),
    [],
    /expected the actions steer, gas/,
  ],
])("refuses %s in one line, and writes nothing", async (_, format, options, message) => {
  await writeFile(file("bad.json"), format(session));
  const before = await readdir(folder);
  const { code, stderr } = await worldloop([
    "rollout",
    "--session",
    file("bad.json"),
    ...options,
    "--out",
    file("none"),
  ]);
  expect(code).toBe(2);
  expect(stderr).toMatch(message);
  expect(stderr.trim().split("\n")).toHaveLength(1);
  expect(await readdir(folder)).toEqual(before);
});

test("--branch wants --session", async () => {
  const { stderr } = await worldloop([
    "rollout",
    "--world",
    WORLD,
    "--branch",
    "x",
    "--actions",
    "y",
    "--out",
    file("none"),
  ]);
  expect(stderr).toMatch(/--branch: expected --session with it/);
});
