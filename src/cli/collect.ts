/** `worldloop collect`: episodes of a policy in a world, as a dataset. Here are its options; the work is `src/collect`'s. */
import { randomUUID } from "node:crypto";
import { resolve } from "node:path";
import { collect } from "../collect/collect";
import { inProcess } from "../collect/executor";
import { policyFileSha256 } from "../collect/onnx-policy";
import type { Plan } from "../collect/plan";
import { openPolicy } from "../collect/policy";
import { DEFAULT_WORKERS } from "../collect/pool";
import { onQueue } from "../collect/queue";
import { listenToSights } from "../collect/sight";
import { FORMATS, type Format } from "../dataset/dataset";
import { checkVideo } from "../dataset/video";
import { DatasetError, ResetError } from "../errors";
import type { Manifest } from "../model/manifest";
import { findWorld, placeOf } from "../model/node-runtime";
import { placeSource } from "../model/node-source";
import { openPackage } from "../model/package";
import { cleanPrompt } from "../model/prompt";
import { openWatch } from "../serve/watch/watch";
import { parseEngine, parsePrecision, parseWhole } from "./input";
import type { ProgressBar } from "./progress-bar";
import { checkTold } from "./told";

/** As typed. */
export interface CollectOptions {
  readonly world: string;
  readonly policy: string;
  readonly engine: string;
  readonly precision: string;
  readonly episodes: string;
  readonly frames: string;
  readonly seed: string;
  readonly format: string;
  readonly prompt?: string[];
  readonly out: string;
  readonly resume?: boolean;
  readonly workers?: string;
  readonly shard?: string;
  readonly executor: string;
  readonly redis: string;
  readonly watch?: boolean;
}

/** Frames of an episode, and episodes of a plan. */
export const MOST = 1_000_000;

/**
 * @param tell gets the address of `--watch`
 * @returns the line to print, and whether all episodes are there. @throws a named error; what was finished is kept
 */
export async function runCollect(
  options: CollectOptions,
  signal: AbortSignal,
  { progress, tell }: { readonly progress: ProgressBar; readonly tell: (text: string) => void },
) {
  const workers = parseWhole("--workers", options.workers ?? String(DEFAULT_WORKERS), 1, 256);
  const { plan, manifest } = await readPlanOptions(
    options,
    (unknown) => unknown && tell(`warning${unknown.replace(";", ":")}\n`),
  );
  const channel = options.watch ? `worldloop-watch-${randomUUID()}` : undefined;
  const execute = options.executor === "bullmq" ? onQueue(options.redis) : inProcess(workers, channel);
  if (!["pool", "bullmq"].includes(options.executor)) {
    throw new ResetError(`--executor: expected pool or bullmq, got "${options.executor}"`);
  }
  if (channel !== undefined && options.executor !== "pool") {
    throw new ResetError("--watch: expected --executor pool, since the frames of other machines aren't sent here");
  }
  const watch = channel === undefined ? null : await startWatch(channel, plan, manifest);
  if (watch) tell(`watch it at ${watch.url}\n`);
  try {
    const { done, of } = await collect({
      ...{ plan, manifest, out: options.out, resume: options.resume ?? false, execute, signal },
      onEpisode: (now) => progress.show(now.done, now.of),
    });
    const complete = done === of;
    const rest = complete ? "" : `; ${of - done} are missing: go on with --resume`;
    return { complete, line: `${done} episodes of ${manifest.name} in ${options.out} (${plan.format})${rest}` };
  } finally {
    progress.end();
    await watch?.close();
  }
}

async function startWatch(channel: string, { policy, frames }: Plan, { title, picture }: Manifest) {
  const watch = await openWatch({ world: title, policy: policy.replace(/^onnx:.*\//, "onnx:"), frames, picture });
  const stop = listenToSights(channel, watch.show);
  return {
    url: watch.url,
    close: () => {
      stop();
      return watch.close();
    },
  };
}

/** Everything is checked before anything is written. */
async function readPlanOptions(
  options: CollectOptions,
  tell: (text: string) => void,
): Promise<{ plan: Plan; manifest: Manifest }> {
  const counts = {
    seed: parseWhole("--seed", options.seed, 0, Number.MAX_SAFE_INTEGER),
    episodes: parseWhole("--episodes", options.episodes, 1, MOST),
    frames: parseWhole("--frames", options.frames, 2, MOST),
  };
  const engine = parseEngine(options.engine);
  if (engine === "auto")
    throw new ResetError('--engine: expected own or ort, got "auto"; all workers must use the same');
  const precision = parsePrecision(options.precision, engine);
  const shard = parseShard(options.shard ?? "0/1");
  const format = parseFormat(options.format);
  const opened = await openPackage(await placeSource(findWorld(options.world)));
  const { manifest, sha256 } = opened;
  const prompts = options.prompt?.map(cleanPrompt);
  const told = (prompts ?? []).map((text) => ({ tick: 1, text }));
  tell(await checkTold(told, opened));
  if (format === "mp4") checkVideo(manifest.picture);
  const file = /^onnx:(.*)$/s.exec(options.policy)?.[1];
  const policy = file === undefined ? options.policy : `onnx:${resolve(file)}`;
  const policySha256 = file === undefined ? undefined : await policyFileSha256(file);
  await (await openPolicy(policy, manifest, policySha256)).close();
  const plan: Plan = {
    ...{ schema: 1, ...placeOf(options.world, manifest), packageSha256: sha256 },
    ...(engine === "ort" ? {} : { engine }),
    ...(precision === "float32" ? {} : { precision }),
    policy,
    ...(policySha256 === undefined ? {} : { policySha256 }),
    ...(prompts === undefined ? {} : { prompts }),
    ...{ ...counts, format, shard },
  };
  return { plan, manifest };
}

/** @throws DatasetError */
export function parseFormat(text: string): Format {
  const format = FORMATS.find((name) => name === text);
  if (format) return format;
  throw new DatasetError(`--format: expected ${FORMATS.join(", ")}, got "${text}"`);
}

/** "2/8": the third of eight. @throws ResetError */
function parseShard(text: string): Plan["shard"] {
  const [, index, of] = /^(\d{1,6})\/(\d{1,6})$/.exec(text) ?? [];
  const shard = { index: Number(index), of: Number(of) };
  if (shard.index < shard.of) return shard;
  throw new ResetError(`--shard: expected i/n with i from 0 to n - 1, got "${text}"`);
}
