/** `worldloop rollout`: drives a world by an action log or a saved session, without a page, and writes frames and hashes. */
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { type NamedAction, nameAction } from "../action/action";
import { npyHeader } from "../dataset/npy";
import { writeFolder } from "../dataset/out-folder";
import { CONTEXT_FILE, markOf, type Rollout } from "../dataset/rollout-file";
import { RecordingError, ResetError } from "../errors";
import { percentile } from "../loop/stats";
import { concat } from "../model/bytes";
import { sha256Hex } from "../model/hash";
import type { Manifest } from "../model/manifest";
import { openWorldNode, placeOf } from "../model/node-runtime";
import { cleanPrompt, type Drive } from "../model/prompt";
import type { Action, ResetOptions } from "../model/world";
import { parseEngine, parsePictures, parsePrecision, parseWhole, readActions, readInput } from "./input";
import { replay } from "./replay";
import { branchDrive, type ChosenSession, checkOrigin, compareShown, readSession } from "./session";
import { checkTold } from "./told";

/** As typed. */
export interface RolloutOptions {
  readonly world?: string;
  readonly session?: string;
  readonly branch?: string;
  readonly seed?: string;
  readonly start?: string;
  readonly context?: string;
  readonly contextActions?: string;
  readonly actions?: string;
  readonly prompt?: string;
  readonly out: string;
  readonly force?: boolean;
  readonly engine?: string;
  readonly precision?: string;
  readonly threads: string;
}

/** @returns the line to print. @throws a named error, having written nothing */
export async function rollout(options: RolloutOptions, signal: AbortSignal): Promise<string> {
  const threads = parseWhole("--threads", options.threads, 1, 64);
  const session = await readSession(options);
  const seed = session?.seed ?? parseWhole("--seed", options.seed ?? "0", 0, Number.MAX_SAFE_INTEGER);
  const choice = parseEngine(options.engine ?? (session?.engine.name === "own" ? "own" : "ort"));
  const precision = parsePrecision(
    options.precision ?? (choice === "own" && session ? session.engine.precision : "float32"),
    choice,
  );
  const place = options.world ?? session?.world ?? "";
  const {
    world,
    package: opened,
    engine,
  } = await openWorldNode(place, { engine: choice, precision, threads, timelineCapacity: 0 });
  try {
    const { manifest } = world;
    if (session) checkOrigin(options.session ?? "", session, opened.sha256, manifest);
    const beginning = session ? await beginningOfSession(session, manifest) : await readBeginning(options, manifest);
    const { actions, told } = session ? branchDrive(session) : await readDrive(options, manifest);
    const unknown = await checkTold(told, opened);
    if (actions.length === 0) {
      const rest = Float32Array.from(manifest.actions, (action) => action.rest);
      const example = JSON.stringify(nameAction(rest, manifest.actions));
      const got = session ? `${options.session}: expected a branch with a tick in it, got none` : undefined;
      throw new RecordingError(
        got ?? `${options.actions}: expected one line per tick such as ${example}, got an empty file`,
      );
    }
    const { tickMs, frameHashes } = await writeFolder(options.out, options.force ?? false, async (folder) => {
      const played = replay(world, { seed, ...beginning.reset }, actions, signal, told);
      const { frameHashes, tickMs } = await writeFrames(join(folder, "frames.npy"), played, actions.length, manifest);
      if (beginning.contextFile) await writeFile(join(folder, CONTEXT_FILE), beginning.contextFile);
      const log: Rollout = {
        schema: 1,
        ...placeOf(place, manifest),
        packageSha256: opened.sha256,
        seed,
        ...beginning.recorded,
        actions: actions.map((action) => nameAction(action, manifest.actions)),
        frameHashes,
        tickMs,
        backend: engine.backend.name,
        ...(precision === "float32" ? {} : { precision }),
        threads: engine.backend.threads,
        ortVersion: engine.version,
        ...(await markOf(actions, told)),
      };
      await writeFile(join(folder, "rollout.json"), `${JSON.stringify(log)}\n`);
      return { tickMs, frameHashes };
    });
    const { p50, p95 } = tickMs;
    const line = `${actions.length} frames of ${manifest.name} written to ${options.out} (tick p50 ${p50} ms, p95 ${p95} ms)${unknown}`;
    return session ? `${line}${compareShown(session, frameHashes, engine.backend)}` : line;
  } finally {
    await world.close();
  }
}

/** The file of actions; `--prompt` is told with the first of them. */
async function readDrive({ actions = "", prompt }: RolloutOptions, manifest: Manifest): Promise<Drive> {
  const drive = await readActions(actions, manifest);
  if (prompt === undefined) return drive;
  if (drive.told[0]?.tick === 1) throw new ResetError(`expected --prompt or one in line 1 of ${actions}, got both`);
  return { ...drive, told: [{ tick: 1, text: cleanPrompt(prompt) }, ...drive.told] };
}

interface RolloutBeginning {
  readonly reset: Omit<ResetOptions, "seed">;
  readonly recorded: Pick<Rollout, "start" | "context">;
  /** The bytes of --context. */
  readonly contextFile?: Uint8Array;
}

/** A session from a picture of somebody's own brings it along. */
async function beginningOfSession({ start, picture }: ChosenSession, manifest: Manifest): Promise<RolloutBeginning> {
  if (!picture) return { reset: { start }, recorded: { start } };
  const { height, width } = manifest.picture;
  const contextFile = concat([npyHeader("uint8", [1, height, width, 3]), picture]);
  return {
    reset: { context: { frames: picture, actions: new Float32Array(0) } },
    recorded: { context: { frames: { file: CONTEXT_FILE, sha256: await sha256Hex(contextFile) }, actions: [] } },
    contextFile,
  };
}

async function readBeginning(options: RolloutOptions, manifest: Manifest): Promise<RolloutBeginning> {
  const { start, context, contextActions } = options;
  if (context === undefined) {
    if (contextActions !== undefined) throw new ResetError("--context-actions: expected --context with it, got none");
    const index = parseWhole("--start", start ?? "0", 0, manifest.starts.length - 1);
    return { reset: { start: index }, recorded: { start: index } };
  }
  if (start !== undefined) throw new ResetError("expected --start or --context, got both");
  const contextFile = await readInput(context);
  const pictures = parsePictures(context, contextFile, manifest);
  const between = contextActions === undefined ? [] : (await readActions(contextActions, manifest)).actions;
  const wanted = (pictures.shape[0] ?? 0) - 1;
  if (between.length !== wanted) {
    throw new ResetError(
      `--context-actions: expected ${wanted} actions between the ${wanted + 1} frames of ${context}, got ${between.length}`,
    );
  }
  const actions = between.map((action): NamedAction => nameAction(action, manifest.actions));
  return {
    reset: { context: { frames: pictures.data, actions: flatten(between) } },
    recorded: { context: { frames: { file: CONTEXT_FILE, sha256: await sha256Hex(contextFile) }, actions } },
    contextFile,
  };
}

/** [n] actions to float32 [n * A], as a context has them. */
export const flatten = (actions: readonly Action[]): Float32Array =>
  Float32Array.from(actions.flatMap((action) => [...action]));

/** Frames go to disk as they come: a long rollout needs no more memory than a short one. */
async function writeFrames(path: string, played: ReturnType<typeof replay>, count: number, { picture }: Manifest) {
  const frameHashes: string[] = [];
  const ms: number[] = [];
  const file = await open(path, "w");
  try {
    await file.writeFile(npyHeader("uint8", [count, picture.height, picture.width, 3]));
    for await (const frame of played) {
      await file.writeFile(frame.rgb);
      frameHashes.push(frame.sha256);
      ms.push(frame.ms);
    }
  } finally {
    await file.close();
  }
  const rank = (p: number) => Number(percentile(ms, p).toFixed(2));
  return { frameHashes, tickMs: { p50: rank(0.5), p95: rank(0.95), p99: rank(0.99) } };
}
