/**
 * What becomes of one broken recording: each command that reads such files, and what the page does with it, either take it
 * or refuse it by name, in one line, having left nothing behind.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseNpy } from "../../src/dataset/npy";
import { parseRollout } from "../../src/dataset/rollout-file";
import { WorldloopError } from "../../src/errors";
import { resetOf } from "../../src/model/beginning";
import { folderSource } from "../../src/model/folder-source";
import { createJournal } from "../../src/model/journal";
import { openWorldNode } from "../../src/model/node-runtime";
import { openPackage } from "../../src/model/package";
import { originOf } from "../../src/model/provenance";
import { recordCalls } from "../../src/model/recorded-world";
import type { World } from "../../src/model/world";
import { formatActionLog, parseActionLog } from "../../src/record/action-log";
import { captionsOf, formatCaptions } from "../../src/record/captions";
import { readMarkedFile } from "../../src/record/provenance-file";
import { screenshot } from "../../src/record/screenshot";
import {
  beginningOf,
  checkSession,
  formatSession,
  looksLikeSession,
  parseSession,
  type SavedSession,
} from "../../src/record/session-file";
import { describeShots } from "../../src/record/shots";
import { parseStory, planStory } from "../../src/record/story-file";
import { playableShots } from "../../src/record/verify-record";
import { WORLD, worldloop } from "../setup/collect";
import type { Mutated, Sound } from "./files";

/** Ticks; a file may ask for any number, which takes its time and proves nothing. */
const MOST_PLAYED = 300;
/** Of a command. */
const LONGEST_MS = 1000;
const LONGEST_LINE = 1200;

/** The file that a story names. */
const LAP = '{"steer":0,"gas":1}\n'.repeat(3);

/** Sound files, played on the tiny world by the command line. @param folder is emptied */
export async function soundFiles(folder: string): Promise<Sound> {
  empty(folder);
  const { manifest, sha256 } = await openPackage(folderSource(WORLD));
  const opened = await openWorldNode(WORLD, { engine: "own", threads: 1 });
  const journal = createJournal();
  const world = recordCalls(opened.world, () => undefined, journal);
  const actions = Array.from({ length: 8 }, (_, t) => Float32Array.of(Math.sin(t), t % 2));
  await world.reset({ seed: 7, start: 1 });
  for (const action of actions) await world.step(action);
  const frame = await opened.world.rewind(0);
  const from = originOf({ packageSha256: sha256, backend: opened.world.backend }, WORLD);
  const shots = await describeShots([{ seed: 7, start: 1, from: 8, to: 8, actions }], true);
  await world.seek({ branch: 0, tick: 4 });
  await world.step(Float32Array.of(-0.3, 0));
  await world.cut(0);
  await world.step(Float32Array.of(0.3, 0));
  await opened.world.close();
  const plainLog = formatActionLog(manifest.actions, actions);
  writeFileSync(join(folder, "x.jsonl"), plainLog);
  const made = ["rollout", "--world", WORLD, "--actions", join(folder, "x.jsonl"), "--out", join(folder, "out")];
  const { code, stderr } = await worldloop(made);
  if (code !== 0) throw new Error(stderr);
  const sound: Sound = {
    plainLog,
    log: formatActionLog(manifest.actions, actions, { ...from, kind: "actions", shots }),
    session: formatSession({
      ...{ world: WORLD, packageSha256: sha256, engine: { name: "own", precision: "float32" } },
      ...{ seed: 7, start: 1, actionNames: manifest.actions.map(({ name }) => name), record: journal.record() },
    }),
    rollout: readFileSync(join(folder, "out", "rollout.json"), "utf8"),
    story: JSON.stringify({
      ...{ format: "worldloop-shots", version: 1, seed: 7 },
      shots: [
        { name: "a", begin: { start: 1 }, frames: 3, actions: { gas: 1 } },
        { frames: 2, policy: "random" },
        { name: "b", begin: { start: "Start 0" }, seconds: 0.08, actions: [1, 0].map((steer) => ({ steer, gas: 0 })) },
        { begin: { return: "a" }, frames: 2, actions: "x.jsonl" },
        { begin: { return: 3 }, frames: 2 },
      ],
    }),
    picture: new Uint8Array(await screenshot(frame, { ...from, kind: "picture", shots }).arrayBuffer()),
  };
  empty(folder);
  return sound;
}

/**
 * @param folder empty, and empty again afterwards
 * @param turn which of the commands takes it
 * @returns what was said, in a word. @throws a fault of ours
 */
export async function tryFile({ name, contents }: Mutated, folder: string, turn: number): Promise<string> {
  const file = join(folder, name);
  const out = join(folder, "out");
  if (name === "shots.json") writeFileSync(join(folder, "x.jsonl"), LAP);
  writeFileSync(file, contents);
  try {
    const commands = commandsOf(name, file, out);
    const chosen = commands[turn % commands.length] as string[];
    const code = await tryCommand(chosen, folder, out);
    return `${chosen[0]} ${name}: ${code}, page: ${await tryPage(name, contents)}`;
  } finally {
    empty(folder);
  }
}

function commandsOf(name: Mutated["name"], file: string, out: string): string[][] {
  const here = ["--world", WORLD];
  const exported = ["export-session", file, "--out", out];
  const checks = [
    ["inspect", file],
    ["verify", file, ...here],
  ];
  if (name === "x.jsonl")
    return [["rollout", ...here, "--actions", file, "--out", out], [...exported, ...here, "--seed", "1"], ...checks];
  if (name === "session.json")
    return [
      ["rollout", "--session", file, "--out", out],
      [...exported, ...here],
    ];
  if (name === "shots.json") return [["direct", ...here, "--shots", file, "--out", join(out, "x.mp4")]];
  return name === "x.png" ? checks : [exported, ...checks];
}

/** @returns the exit code */
async function tryCommand(parameters: readonly string[], folder: string, out: string): Promise<number> {
  const signal = AbortSignal.timeout(LONGEST_MS); // Ctrl-C: a long file takes long
  const before = readdirSync(folder).join();
  const { code, stdout, stderr } = await worldloop(parameters, signal);
  const wrong = (why: string) => new Error(`${parameters.join(" ")}: ${why}: ${code} ${stdout} ${stderr}`);
  if (code === 2) {
    if (!/^error: [^\n]+\n$/.test(stderr) || stderr.length > LONGEST_LINE) throw wrong("no line that says why");
    if (/^error: .*\bat .*:\d+:\d+/.test(stderr)) throw wrong("a clumsy line");
  } else if (![0, 1, 130].includes(code)) throw wrong("an exit code of its own");
  const after = readdirSync(folder).join();
  if (code !== 0 && after !== before) throw wrong(`something was left: ${after}`);
  if (code === 0 && parameters[0] === "rollout") checkRollout(out, wrong);
  if (code === 0 && parameters[0] === "direct") {
    if (readdirSync(out).sort().join() !== "x.mp4,x.session.json") throw wrong("other files");
    parseSession(readFileSync(join(out, "x.session.json"), "utf8"));
  }
  rmSync(out, { recursive: true, force: true });
  return code;
}

function checkRollout(out: string, wrong: (why: string) => Error): void {
  if (readdirSync(out).sort().join() !== "frames.npy,rollout.json") throw wrong("other files");
  const { frameHashes, actions } = parseRollout("rollout.json", readFileSync(join(out, "rollout.json"), "utf8"));
  const { shape, data } = parseNpy(readFileSync(join(out, "frames.npy")));
  if (shape.join() !== `${actions.length},16,16,3` || frameHashes.length !== actions.length) throw wrong("other sizes");
  if (data.length === 0) throw wrong("no frame");
}

/** As the page takes a file, but for what it draws; of a story its plan alone. */
export async function tryPage(name: Mutated["name"], contents: Uint8Array<ArrayBuffer>): Promise<string> {
  const file = new Blob([contents]);
  opened ??= openWorldNode(WORLD, { engine: "own", threads: 1, timelineCapacity: 0 });
  const { world } = await opened;
  const { manifest } = world;
  try {
    const text = await file.text();
    if (name === "shots.json") {
      const read = async () => parseActionLog(manifest.actions, LAP);
      formatCaptions(captionsOf(await planStory(parseStory(text), manifest, read)), manifest.frameRate);
      return "plays";
    }
    if (name !== "x.png" && looksLikeSession(text)) {
      const session = parseSession(text);
      checkSession(session, manifest);
      await playSession(world, session);
      return "plays";
    }
    const found = await readMarkedFile(file);
    if (found.kind === "plain log") parseActionLog(manifest.actions, found.text);
    else await playableShots(found, manifest.actions);
    return found.kind;
  } catch (error) {
    if (error instanceof WorldloopError) return error.name;
    throw error;
  }
}

let opened: ReturnType<typeof openWorldNode> | undefined; // one for all of them: each begins anew

/** Goes to where it was left, or some way, into another branch, and keeps it. */
async function playSession(world: World, session: SavedSession): Promise<void> {
  const { record } = session;
  const journal = createJournal();
  const played = recordCalls(world, () => undefined, journal);
  await played.load(resetOf(beginningOf(session)), record);
  const stop = new AbortController();
  await played.seek(record.at, {
    signal: stop.signal,
    onStep: ({ tick }) => {
      if (tick >= MOST_PLAYED) stop.abort();
    },
  });
  await played.step(new Float32Array(record.width));
  const { branches, at } = journal.record();
  if (branches.length < record.branches.length) throw new Error(`${record.branches.length} branches became fewer`);
  if (journal.actions().length !== journal.position.tick || !branches[at.branch]) throw new Error("another position");
}

function empty(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
}
