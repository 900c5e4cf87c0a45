/**
 * `worldloop verify`: plays again what a file says it is of, and compares. Of a rollout every frame's hash, of a dataset
 * every rollout, of a session those that it has hashes of, of a picture, a clip or an action log what
 * `record/verify-record.ts` compares.
 */
import { dirname, join } from "node:path";
import { type NamedAction, parseAction } from "../action/action";
import { listRollouts, ROLLOUTS } from "../dataset/dataset";
import type { Rollout } from "../dataset/rollout-file";
import { AbortedError, ActionError, RecordingError } from "../errors";
import { resetOf } from "../model/beginning";
import { createBranchTree } from "../model/branch-tree";
import { frameSha256, sha256Hex } from "../model/hash";
import type { Manifest } from "../model/manifest";
import { openWorldNode } from "../model/node-runtime";
import { episodesSha256, ownEngineOf } from "../model/provenance";
import { recordCalls } from "../model/recorded-world";
import type { Action, ResetOptions } from "../model/world";
import type { MarkedFile } from "../record/provenance-file";
import { beginningOf, looksLikeSession, parseSession } from "../record/session-file";
import { verifyRecord } from "../record/verify-record";
import { about, parsePictures, parseWhole, readInput } from "./input";
import { isFolder, readInspected } from "./inspect";
import { replay } from "./replay";
import { flatten } from "./rollout";
import { checkOrigin } from "./session";

export interface VerifyOptions {
  /** Name or folder; default: the one that the rollout names. */
  readonly world?: string;
  /** Default: as recorded. */
  readonly threads?: string;
}

export interface Verdict {
  readonly same: boolean;
  /** For people. */
  readonly line: string;
}

/** @throws RecordingError when the file is damaged or of another package, and what opening a world throws */
export async function verify(path: string, options: VerifyOptions, signal: AbortSignal): Promise<Verdict> {
  if (isFolder(join(path, ROLLOUTS))) return verifyDataset(path, options, signal);
  const text = path.endsWith(".json") ? new TextDecoder().decode(await readInput(path)) : "";
  if (looksLikeSession(text)) return verifySession(path, text, options, signal);
  const found = await readInspected(path);
  if (found.contradiction) return { same: false, line: `${path}: ${found.contradiction}` };
  if (found.rollout)
    return verifyRollout(isFolder(path) ? join(path, "rollout.json") : path, found.rollout, options, signal);
  if (found.marked) return verifyMarked(path, found.marked, options, signal);
  throw new RecordingError(`${path}: expected something to replay, got a record alone; give the dataset's folder`);
}

/** Every episode; the first that differs ends it. */
async function verifyDataset(folder: string, options: VerifyOptions, signal: AbortSignal): Promise<Verdict> {
  const paths = await listRollouts(folder);
  const hashes: string[] = [];
  for (const path of paths) {
    const { contradiction, provenance } = await readInspected(path);
    if (contradiction) return { same: false, line: `${path}: ${contradiction}` };
    hashes.push(provenance.shots[0]?.actionsSha256 ?? "");
  }
  const claimed = (await readInspected(folder)).provenance.episodes;
  if (claimed && (claimed.count !== paths.length || claimed.sha256 !== (await episodesSha256(hashes)))) {
    const line = `${folder}: its record is of ${claimed.count} other episodes than the ${paths.length} that are there: it was changed after it was made`;
    return { same: false, line };
  }
  for (const path of paths) {
    const { same, line } = await verify(path, options, signal);
    if (!same) return { same, line: line.startsWith(path) ? line : `${path}: ${line}` };
  }
  return { same: true, line: `${paths.length} episodes of ${folder} are the same` };
}

async function verifyMarked(
  path: string,
  found: MarkedFile,
  options: VerifyOptions,
  signal: AbortSignal,
): Promise<Verdict> {
  const { engine, world: name } = found.provenance;
  const threads = options.threads === undefined ? engine.threads : parseWhole("--threads", options.threads, 1, 64);
  const { world, package: opened } = await openWorldNode(options.world ?? name, {
    engine: engine.name === "own" ? "own" : "ort",
    precision: ownEngineOf(engine).precision,
    threads,
  });
  try {
    const of = { world, packageSha256: opened.sha256 };
    const openClip = async (file: Blob) => (await import("./clip-decoder")).decodeClip(path, file); // the demuxer is large
    const { outcome, line } = await verifyRecord(found, of, { signal, openClip });
    return { same: outcome === "same" || outcome === "alike", line: `${path}: ${line}` };
  } finally {
    await world.close();
  }
}

/** Goes, as the page does, to where it was left and to the end of each branch, as far as their hashes are known. */
async function verifySession(
  path: string,
  text: string,
  options: VerifyOptions,
  signal: AbortSignal,
): Promise<Verdict> {
  const session = about(path, () => parseSession(text));
  const { engine, record } = session;
  const tree = createBranchTree(0, record);
  const ends = record.branches.map(({ frameSha256: hash }, branch) => ({
    hash,
    branch,
    tick: tree.get(branch)?.end ?? 0,
  }));
  const claims = [...ends, { hash: session.frameSha256, ...record.at }].filter(({ hash }) => hash !== undefined);
  if (claims.length === 0) {
    throw new RecordingError(`${path}: expected the hash of the frame that it was left at, got none; save it again`);
  }
  const threads = parseWhole("--threads", options.threads ?? "2", 1, 64);
  const choice = engine.name === "own" ? ({ engine: "own", precision: engine.precision } as const) : {};
  const opened = await openWorldNode(options.world ?? session.world, { ...choice, threads, timelineCapacity: 0 });
  try {
    checkOrigin(path, session, opened.package.sha256, opened.world.manifest);
    const world = recordCalls(opened.world, () => undefined);
    await world.load(resetOf(beginningOf(session)), record);
    for (const { hash, branch, tick } of claims) {
      const found = await frameSha256(await world.seek({ branch, tick }, { signal }));
      if (signal.aborted) throw new AbortedError("interrupted");
      const where = `tick ${tick} of ${record.branches[branch]?.name}`;
      if (found !== hash)
        return { same: false, line: `${path}: ${where} differs: expected frame ${hash}, got ${found}` };
    }
    return { same: true, line: `${path}: ${claims.length} frames, as many as it has hashes of, are the same` };
  } finally {
    await opened.world.close();
  }
}

async function verifyRollout(
  path: string,
  log: Rollout,
  options: VerifyOptions,
  signal: AbortSignal,
): Promise<Verdict> {
  const threads = options.threads === undefined ? log.threads : parseWhole("--threads", options.threads, 1, 64);
  const opened = await openWorldNode(options.world ?? log.folder ?? log.world, {
    engine: log.backend === "own" ? "own" : "ort",
    precision: log.precision,
    threads,
    timelineCapacity: 0,
  });
  const { world, engine } = opened;
  try {
    if (opened.package.sha256 !== log.packageSha256) {
      throw new RecordingError(
        `${path}: expected the package ${log.packageSha256} of ${log.world}, got ${opened.package.sha256}; check out the version that recorded it`,
      );
    }
    const actions = parseActions(`${path}, actions`, log.actions, world.manifest);
    const beginning = await readBeginning(path, log, world.manifest);
    let tick = 0;
    for await (const { sha256 } of replay(world, beginning, actions, signal, log.prompts)) {
      const recorded = log.frameHashes[tick];
      tick += 1;
      if (sha256 === recorded) continue;
      const here = `${engine.backend.name}, ${engine.version}`;
      const there = `${log.backend}, ${log.ortVersion}`;
      const hint = here === there ? "" : ` (recorded on ${there}; played on ${here})`;
      return { same: false, line: `tick ${tick} differs: expected frame ${recorded}, got ${sha256}${hint}` };
    }
    return { same: true, line: `${tick} frames of ${log.world} are the same` };
  } finally {
    await world.close();
  }
}

async function readBeginning(path: string, log: Rollout, manifest: Manifest): Promise<ResetOptions> {
  const { seed, start, context } = log;
  if (!context) return { seed, start: start ?? 0 };
  const file = join(dirname(path), context.frames.file);
  const bytes = await readInput(file);
  const found = await sha256Hex(bytes);
  if (found !== context.frames.sha256) {
    throw new RecordingError(`${file}: expected sha256 ${context.frames.sha256}, got ${found}; it was changed`);
  }
  const actions = flatten(parseActions(`${path}, context.actions`, context.actions, manifest));
  return { seed, context: { frames: parsePictures(file, bytes, manifest).data, actions } };
}

function parseActions(where: string, actions: readonly NamedAction[], manifest: Manifest): Action[] {
  return actions.map((action, index) => {
    try {
      return parseAction(action, manifest.actions);
    } catch (error) {
      if (!(error instanceof ActionError)) throw error;
      throw new RecordingError(`${where}.${index}: ${error.message}`, { cause: error });
    }
  });
}
