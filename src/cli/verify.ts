/** `worldloop verify`: plays a rollout again and compares every frame with the hash that was recorded. */
import { dirname, join } from "node:path";
import { type NamedAction, parseAction } from "../action/action";
import { parseRollout, type Rollout } from "../dataset/rollout-file";
import { ActionError, RecordingError } from "../errors";
import { sha256Hex } from "../model/hash";
import type { Manifest } from "../model/manifest";
import { openWorldNode } from "../model/node-runtime";
import type { Action, ResetOptions } from "../model/world";
import { parsePictures, parseWhole, readInput } from "./input";
import { replay } from "./replay";
import { flatten } from "./rollout";

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
  const log = parseRollout(path, new TextDecoder().decode(await readInput(path)));
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
    for await (const { sha256 } of replay(world, beginning, actions, signal)) {
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
