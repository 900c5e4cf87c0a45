/** The command line as people call it: its exit code, its one line on stderr, and what lies on disk after. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { npyHeader, parseNpy } from "../dataset/npy";
import type { Rollout } from "../dataset/rollout-file";
import { run } from "./program";

const root = fileURLToPath(new URL("../../", import.meta.url));
const world = join(root, "tests/goldens/tiny-world");
const ACTIONS = Array.from({ length: 8 }, (_, i) => `{"steer": ${(i % 3) - 1}, "gas": ${i % 2}}\n`).join("");

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "worldloop-cli-"));
  await writeFile(join(folder, "actions.jsonl"), ACTIONS);
  process.chdir(folder);
});
afterAll(async () => {
  process.chdir(root);
  await rm(folder, { recursive: true });
});

interface Result {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function worldloop(...parameters: string[]): Promise<Result> {
  let [stdout, stderr] = ["", ""];
  const code = await run(parameters, {
    out: (text) => {
      stdout += text;
    },
    error: (text) => {
      stderr += text;
    },
    signal: new AbortController().signal,
  });
  return { code, stdout, stderr };
}

/** A rollout with these options over the usual ones; an empty text takes one away. */
function rollout(options: Record<string, string>): Promise<Result> {
  const all = { "--world": world, "--seed": "7", "--actions": "actions.jsonl", "--out": "out", ...options };
  return worldloop("rollout", ...Object.entries(all).flatMap(([name, value]) => (value === "" ? [] : [name, value])));
}

const readLog = async (name: string): Promise<Rollout> =>
  JSON.parse(await readFile(join(folder, name, "rollout.json"), "utf8"));

test("rollout twice gives the same frames, one per action; verify agrees, and finds an edit", async () => {
  const first = await rollout({ "--start": "0", "--out": "a" });
  expect(first).toMatchObject({ code: 0, stderr: "" });
  expect(first.stdout).toMatch(/^8 frames of tiny-world written to a .*\n$/);
  await rollout({ "--start": "0", "--out": "b" });
  const [a, b] = [await readLog("a"), await readLog("b")];
  expect(b.frameHashes).toEqual(a.frameHashes);
  expect(a).toMatchObject({ world: "tiny-world", seed: 7, start: 0, backend: "cpu", threads: 2 });
  expect(new Set(a.frameHashes).size).toBe(8);
  expect(parseNpy(await readFile(join(folder, "a/frames.npy"))).shape).toEqual([8, 16, 16, 3]);
  expect((await readdir(join(folder, "a"))).sort()).toEqual(["frames.npy", "rollout.json"]);

  expect(await worldloop("verify", "a/rollout.json")).toMatchObject({ code: 0, stderr: "" });
  const edited = { ...a, actions: a.actions.with(2, { steer: 0.5, gas: 0 }) };
  await writeFile(join(folder, "edited.json"), JSON.stringify(edited));
  const verdict = await worldloop("verify", "edited.json");
  expect(verdict).toMatchObject({ code: 1, stderr: "" });
  expect(verdict.stdout).toMatch(/^tick 3 differs: /);
});

test("a context of pictures and actions takes the place of a start, and can be verified", async () => {
  const pictures = Uint8Array.from({ length: 3 * 16 * 16 * 3 }, (_, i) => (i * 5) % 256);
  await writeFile(join(folder, "context.npy"), Uint8Array.of(...npyHeader("uint8", [3, 16, 16, 3]), ...pictures));
  await writeFile(join(folder, "between.jsonl"), ACTIONS.split("\n").slice(0, 2).join("\n"));
  const options = { "--context": "context.npy", "--context-actions": "between.jsonl", "--out": "with-context" };
  expect(await rollout(options)).toMatchObject({ code: 0, stderr: "" });
  expect((await readLog("with-context")).context?.actions).toHaveLength(2);
  expect(await worldloop("verify", "with-context/rollout.json")).toMatchObject({ code: 0 });

  const short = await rollout({ ...options, "--context-actions": "", "--out": "out" });
  expect(short.stderr).toBe(
    "error: --context-actions: expected 2 actions between the 3 frames of context.npy, got 0\n",
  );
});

test("--force writes into a folder that holds something, and leaves the rest alone", async () => {
  await mkdir(join(folder, "full"));
  await writeFile(join(folder, "full/notes.txt"), "mine");
  const refused = await rollout({ "--out": "full" });
  expect(refused).toMatchObject({ code: 2, stdout: "" });
  expect(refused.stderr).toMatch(/^error: --out full: expected an empty or new folder, .* add --force\n$/);
  expect(await readdir(join(folder, "full"))).toEqual(["notes.txt"]);
  const { code } = await worldloop(
    ...["rollout", "--world", world, "--actions", "actions.jsonl", "--out", "full", "--force"],
  );
  expect(code).toBe(0);
  expect((await readdir(join(folder, "full"))).sort()).toEqual(["frames.npy", "notes.txt", "rollout.json"]);
});

const EMPTY: [string, string[]][] = [
  ["--out <folder>", ["rollout", "--world", world, "--actions", "actions.jsonl", "--out", ""]],
  ["--out <folder>", ["collect", "--world", world, "--episodes", "1", "--frames", "2", "--out", ""]],
  ["--out <folder>", ["merge", "a", "--out", ""]],
  ["--out <folder>", ["export-session", "actions.jsonl", "--world", world, "--seed", "7", "--out", ""]],
  ["arguments", ["merge", "", "--out", "new"]],
  ["arguments", ["verify", ""]],
  ["--world <names...>", ["serve", "--world", ""]],
];

test.each(EMPTY)("an empty %s is refused, not taken for the current folder: %j", async (what, parameters) => {
  const before = await readdir(folder);
  expect(await worldloop(...parameters)).toEqual({
    ...{ code: 2, stdout: "" },
    stderr: `error: ${what}: expected a value, got an empty text\n`,
  });
  expect(await readdir(folder)).toEqual(before);
});

test.each([
  ["rollout", ["--world", world, "--actions", "actions.jsonl"]],
  ["collect", ["--world", world, "--episodes", "1", "--frames", "2", "--workers", "1"]],
  ["export-session", ["actions.jsonl", "--world", world, "--seed", "7"]],
])("%s tells in one line that a place can't be written", async (command, parameters) => {
  for (const out of ["actions.jsonl/in", "/proc/worldloop/out"]) {
    const result = await worldloop(command, ...parameters, "--out", out);
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr).toMatch(
      /^error: --out [^ ]+: expected a (folder|place to write to, with room), got [^\n]+\n$/,
    );
  }
});

const BAD: [string, Record<string, string>, string][] = [
  ["an unknown world", { "--world": "tiny" }, 'a folder with a world.json, got "tiny"'],
  ["no world", { "--world": "" }, "--world: expected a world, or --session, got neither"],
  ["a bad seed", { "--seed": "7.5" }, '--seed: expected an integer from 0 to 9007199254740991, got "7.5"'],
  ["a start out of range", { "--start": "2" }, '--start: expected an integer from 0 to 1, got "2"'],
  ["bad threads", { "--threads": "0" }, '--threads: expected an integer from 1 to 64, got "0"'],
  ["a misspelt option", { "--sede": "1" }, "unknown option '--sede' (Did you mean --seed?)"],
  ["no actions file", { "--actions": "none.jsonl" }, "none.jsonl: expected a file, got nothing there"],
  ["an empty file", { "--actions": "=" }, 'such as {"steer":0,"gas":0}, got an empty file'],
  [
    "a malformed line",
    { "--actions": `=${ACTIONS}steer` },
    "line 9: expected a JSON object with steer, gas, got steer",
  ],
  [
    "an action out of range",
    { "--actions": '={"steer": 3, "gas": 0}' },
    "line 1: steer: expected a number in [-1, 1], got 3",
  ],
  ["a missing name", { "--actions": '={"steer": 0}' }, "line 1: gas: missing; expected steer, gas"],
  [
    "an extra name",
    { "--actions": '={"steer": 0, "gas": 0, "x": 0}' },
    "line 1: x: no such action; expected steer, gas",
  ],
  ["pictures of a wrong size", { "--context": "=8" }, "expected pictures uint8 [n, 16, 16, 3], got uint8 [1, 8, 8, 3]"],
  ["a start and a context", { "--start": "0", "--context": "=16" }, "expected --start or --context, got both"],
  ["actions of no context", { "--context-actions": `=${ACTIONS}` }, "expected --context with it, got none"],
];

/** Options whose value begins with "=" name a new file that holds the rest: text, or pictures of this side. */
async function withFiles(options: Record<string, string>, name: string): Promise<Record<string, string>> {
  const [option, value] = Object.entries(options).find(([, text]) => text.startsWith("=")) ?? [];
  if (option === undefined || value === undefined) return options;
  const file = `${name.replaceAll(" ", "-")}.input`;
  const side = Number(value.slice(1));
  const pictures = () => Uint8Array.of(...npyHeader("uint8", [1, side, side, 3]), ...new Uint8Array(side * side * 3));
  await writeFile(join(folder, file), option === "--context" ? pictures() : value.slice(1));
  return { ...options, [option]: file };
}

test.each(BAD)("rollout refuses %s in one line and writes nothing", async (name, options, message) => {
  const result = await rollout({ ...(await withFiles(options, name)), "--out": "new/out" });
  expect(result).toMatchObject({ code: 2, stdout: "" });
  expect(result.stderr).toMatch(/^error: [^\n]+\n$/);
  expect(result.stderr).toContain(message);
  expect(await readdir(folder)).not.toContain("new");
});

test("verify refuses what isn't a rollout of this package", async () => {
  await rollout({ "--out": "good" });
  const good = await readLog("good");
  const cases: [unknown, string][] = [
    ["{", "expected JSON written by rollout"],
    [{ ...good, frameHashes: good.frameHashes.slice(1) }, "expected one frame hash per action (8), got 7"],
    [{ ...good, packageSha256: "0".repeat(64) }, "expected the package 0000"],
    [
      { ...good, actions: good.actions.with(1, { steer: 2, gas: 0 }) },
      "actions.1: steer: expected a number in [-1, 1], got 2",
    ],
    [{ ...good, seed: "x" }, "seed: "],
  ];
  for (const [log, message] of cases) {
    await writeFile(join(folder, "broken.json"), typeof log === "string" ? log : JSON.stringify(log));
    const result = await worldloop("verify", "broken.json");
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr).toMatch(/^error: [^\n]+\n$/);
    expect(result.stderr).toContain(message);
  }
  expect(await worldloop("verify", "nothing.json")).toMatchObject({ code: 2, stdout: "" });
});

test("an interrupted rollout leaves nothing behind", async () => {
  const parameters = ["rollout", "--world", world, "--actions", "actions.jsonl", "--out", "interrupted"];
  const silent = () => undefined;
  expect(await run(parameters, { out: silent, error: silent, signal: AbortSignal.abort() })).toBe(130);
  expect((await readdir(folder)).filter((name) => name.includes("interrupted"))).toEqual([]);
});

test("as a process it says the same, with the same exit codes", async () => {
  const start = (...parameters: string[]) =>
    promisify(execFile)(process.execPath, ["--import", "tsx", join(root, "src/cli/main.ts"), ...parameters], {
      cwd: root,
    });
  const out = join(folder, "process");
  const good = await start("rollout", "--world", world, "--actions", join(folder, "actions.jsonl"), "--out", out);
  expect(good).toMatchObject({ stderr: "", stdout: expect.stringMatching(/^8 frames of tiny-world/) });
  await expect(start("verify", join(folder, "none.json"))).rejects.toMatchObject({ code: 2, stdout: "" });
});
