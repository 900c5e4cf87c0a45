/** The command line as people call it: its exit code, its one line on stderr, and what lies on disk after. */
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocket } from "ws";
import { worldloop as command } from "../../tests/setup/collect";
import { npyHeader, parseNpy } from "../dataset/npy";
import type { Rollout } from "../dataset/rollout-file";
import { openWorldNode } from "../model/node-runtime";
import { originOf } from "../model/provenance";
import type { Frame } from "../model/world";
import { formatActionLog, parseActionLog } from "../record/action-log";
import { screenshot } from "../record/screenshot";
import { describeShots } from "../record/shots";
import { run } from "./program";
import { type C2pa, sign } from "./sign";

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

const worldloop = (...parameters: string[]) => command(parameters);

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
  expect(verdict.stdout).toMatch(/^edited.json: its actions have the hash [0-9a-f]{64}, it says/);
  const { actionsSha256: _, ...older } = edited; // as releases before the hash wrote it
  await writeFile(join(folder, "edited.json"), JSON.stringify(older));
  expect((await worldloop("verify", "edited.json")).stdout).toMatch(/^tick 3 differs: /);
});

test("a world that takes prompts is told what it is told, and it is part of what is recorded", async () => {
  const prompted = fileURLToPath(new URL("../../tests/goldens/tiny-prompt", import.meta.url));
  const lines = ACTIONS.trim().split("\n");
  const told = lines.with(4, lines[4]?.replace("}", ', "prompt": "rain"}') ?? "").join("\n");
  await writeFile(join(folder, "told.jsonl"), `${told}\n`);
  const play = async (out: string, actions: string, ...more: string[]) => {
    const of = ["--world", prompted, "--seed", "7", "--actions", actions, "--out", out, ...more];
    return worldloop("rollout", ...of);
  };
  expect(await play("silent", "actions.jsonl")).toMatchObject({ code: 0, stderr: "" });
  const { code, stdout } = await play("heard", "told.jsonl", "--prompt", "Night, blue snow");
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: expect.stringMatching(/; to tiny-prompt nothing is meant by blue\n$/),
  });
  await play("later", "told.jsonl");
  const [silent, heard, later] = [await readLog("silent"), await readLog("heard"), await readLog("later")];
  expect(heard.prompts).toEqual([
    { tick: 1, text: "Night, blue snow" },
    { tick: 5, text: "rain" },
  ]);
  expect(silent.prompts).toBeUndefined();
  expect(later.frameHashes.slice(0, 4)).toEqual(silent.frameHashes.slice(0, 4));
  expect(later.frameHashes[4]).not.toBe(silent.frameHashes[4]);
  expect(heard.frameHashes[0]).not.toBe(silent.frameHashes[0]);
  expect(new Set([silent, heard, later].map(({ actionsSha256 }) => actionsSha256)).size).toBe(3);

  expect(await worldloop("verify", "heard/rollout.json")).toMatchObject({ code: 0, stderr: "" });
  const edited = { ...heard, prompts: [{ tick: 1, text: "snow" }] };
  await writeFile(join(folder, "edited.json"), JSON.stringify(edited));
  expect((await worldloop("verify", "edited.json")).stdout).toMatch(/its actions have the hash/);

  expect(await play("x", "told.jsonl", "--prompt", "")).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/--prompt/),
  });
  for (const [prompt, complaint] of [
    ["x".repeat(10_000), /expected at most 300 characters, got 10000\n$/],
    ["night 😀", /expected English words in Latin letters, got U\+1F600\n$/],
    ["снег", /got U\+0441\n$/],
    ["night\u0007", /got U\+0007\n$/],
    ["zebra", /expected words that mean something here, such as night, snow, rain; got "zebra"\n$/],
  ] as const) {
    const refused = await play("x", "actions.jsonl", "--prompt", prompt);
    expect(refused).toMatchObject({ code: 2, stdout: "", stderr: expect.stringMatching(complaint) });
    expect(refused.stderr.split("\n")).toHaveLength(2);
  }
  const untold = await rollout({ "--out": "y", "--actions": "told.jsonl" });
  expect(untold).toMatchObject({ code: 2, stderr: expect.stringMatching(/tiny-world takes none/) });
});

test("what was saved says where it came from, and is played again", async () => {
  const opened = await openWorldNode(world, { engine: "own", threads: 1 });
  const frames = [await opened.world.reset({ seed: 7, start: 0 })];
  const { actions } = parseActionLog(opened.world.manifest.actions, ACTIONS);
  for (const action of actions) frames.push(await opened.world.step(action));
  const frame = frames.at(-1) as Frame;
  const origin = originOf({ packageSha256: opened.package.sha256, backend: opened.world.backend }, world);
  await opened.world.close();
  const record = async (kind: "picture" | "actions", from: number) => ({
    ...{ ...origin, kind },
    shots: await describeShots([{ seed: 7, start: 0, from, to: 8, actions }], kind === "picture"),
  });
  const png = Buffer.from(await screenshot(frame, await record("picture", 8)).arrayBuffer());
  await writeFile(join(folder, "shot.png"), png);
  await writeFile(
    join(folder, "log.jsonl"),
    formatActionLog(opened.world.manifest.actions, actions, await record("actions", 0)),
  );

  const { code, stdout, stderr } = await worldloop("inspect", "shot.png");
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(JSON.parse(stdout)).toMatchObject({ kind: "picture", packageSha256: opened.package.sha256 });
  const verified = await worldloop("verify", "shot.png");
  expect(verified).toMatchObject({ code: 0, stdout: expect.stringMatching(/^shot.png: Verified: .* bit by bit/) });
  await writeFile(
    join(folder, "other.png"),
    Buffer.from(await screenshot(frames[2] as Frame, await record("picture", 8)).arrayBuffer()),
  );
  expect(await worldloop("verify", "other.png")).toMatchObject({ code: 1, stdout: expect.stringMatching(/Not/) });
  await writeFile(join(folder, "cut.png"), png.subarray(0, 300));
  await writeFile(join(folder, "some.npy"), npyHeader("uint8", [0]));
  for (const [file, message] of [
    ["cut.png", /^error: cut.png: PNG: expected a whole file.*\n$/],
    ["actions.jsonl", /^error: actions.jsonl: an action log that doesn't say which world.*\n$/],
    ["some.npy", /^error: some.npy: a .npy file has no room.*\n$/],
    ["nothing.png", /^error: nothing.png: expected a file, got nothing there\n$/],
    [".", /^error: .: expected a folder of rollout.*\n$/],
  ] as const) {
    for (const command of ["inspect", "verify"]) {
      expect(await worldloop(command, file)).toMatchObject({ code: 2, stderr: expect.stringMatching(message) });
    }
  }
  expect(await worldloop("export-session", "log.jsonl", "--out", "session")).toMatchObject({ code: 0 });
  expect(await worldloop("verify", "session")).toMatchObject({
    code: 0,
    stdout: "1 episodes of session are the same\n",
  });
  const [npz] = (await readdir(join(folder, "session"))).filter((name) => name.endsWith(".npz"));
  const inside = JSON.parse((await worldloop("inspect", `session/${npz}`)).stdout);
  expect(inside.shots[0]).toMatchObject({ seed: 7, start: 0, to: 8 });
  const { shots, episodes } = JSON.parse((await worldloop("inspect", "session")).stdout);
  expect({ shots, episodes }).toMatchObject({ shots: [], episodes: { count: 1, frames: 9 } });
  const path = join(folder, "session/rollouts/000000.json");
  const other = (await readFile(path, "utf8")).replace(/"steer":-1/, '"steer":-0.5');
  await writeFile(path, other);
  const changed = await worldloop("verify", "session");
  expect(changed).toMatchObject({ code: 1, stdout: expect.stringMatching(/000000.json: its actions have the hash/) });
});

test("signing asks for what it needs, and never writes over a file", async () => {
  await writeFile(join(folder, "key.pem"), "a key");
  const signing = ["--certificate", "key.pem", "--key", "key.pem"];
  const made: unknown[] = [];
  const library = async (): Promise<C2pa> => ({
    LocalSigner: { newSigner: () => "signer" },
    Builder: {
      withJson: (definition) => ({
        setIntent: (intent) => void made.push(definition, intent),
        sign: (_, { mimeType }, output) => {
          output.buffer = new TextEncoder().encode(mimeType);
        },
      }),
    },
  });
  const options = { certificate: "key.pem", key: "key.pem", algorithm: "es256", out: "signed.png" };
  expect(await sign("shot.png", options, library)).toBe("shot.png signed as signed.png");
  expect(await readFile(join(folder, "signed.png"), "utf8")).toBe("image/png");
  expect(JSON.stringify(made)).toMatch(/trainedAlgorithmicMedia.*"create":"http.*trainedAlgorithmicMedia"/);
  expect(JSON.stringify(made)).not.toContain('"actions"');
  await expect(sign("shot.png", options, library)).rejects.toMatchObject({ name: "OutputError" });
  const missing = await worldloop("sign", "shot.png", ...signing, "--out", "more.png");
  expect(missing).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/npm install --no-save @contentauth\/c2pa-node/),
  });
  const log = await worldloop("sign", "log.jsonl", ...signing, "--out", "more.png");
  expect(log.stderr).toMatch(/expected a picture or a clip, got a record of the kind "actions"/);
  expect(await readdir(folder)).not.toContain("more.png");
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
  ["--out <folder>", ["rollout", "--world", world, "--actions", "actions.jsonl", "--out", " \t"]],
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
      { ...good, actions: good.actions.with(1, { steer: 2, gas: 0 }), actionsSha256: undefined },
      "actions.1: steer: expected a number in [-1, 1], got 2",
    ],
    [{ ...good, seed: "x" }, "seed: "],
    [{ ...good, threads: 1e6 }, "threads: "], // each would be started
    [{ ...good, world: "a\0b", folder: undefined }, "world: expected one of"],
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

const BUSY = 120_000; // ms, for processes on a busy machine
const start = (...parameters: string[]) =>
  promisify(execFile)(process.execPath, ["--import", "tsx", join(root, "src/cli/main.ts"), ...parameters], {
    cwd: root,
  });

test("as a process it says the same, with the same exit codes", { timeout: BUSY }, async () => {
  const out = join(folder, "process");
  const good = await start("rollout", "--world", world, "--actions", join(folder, "actions.jsonl"), "--out", out);
  expect(good).toMatchObject({ stderr: "", stdout: expect.stringMatching(/^8 frames of tiny-world/) });
  await expect(start("verify", join(folder, "none.json"))).rejects.toMatchObject({ code: 2, stdout: "" });
});

test("a server that gets SIGTERM says goodbye to its clients and ends without a word", { timeout: BUSY }, async () => {
  const serving = start("serve", "--world", world, "--port", "0");
  let said = "";
  while (!said.includes("OpenEnv")) said += (await once(serving.child.stdout as Readable, "data"))[0];
  const [, url, token] = /(ws:\S+)\n.*: (\S+)\n/.exec(said) as RegExpExecArray;
  const client = new WebSocket(url as string, { headers: { authorization: `Bearer ${token}` } });
  await once(client, "open");
  serving.child.kill("SIGTERM");
  expect((await once(client, "close"))[0]).toBe(1001);
  expect(await serving).toMatchObject({ stderr: "" });
});
