/**
 * What is to be collected. A plan and an episode's number fix everything about that episode, so any worker, shard or
 * machine makes the same one, in any order.
 */
import { z } from "zod";
import { FORMATS } from "../dataset/dataset";
import { DatasetError } from "../errors";
import { PRECISIONS } from "../model/engine-choice";
import { LONGEST_PROMPT, type Told } from "../model/prompt";
import { philox } from "../model/rng";

const count = z.int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected a sha256 in hex");

export const planSchema = z.strictObject({
  schema: z.literal(1),
  /** Name of the world. */
  world: z.string(),
  /** Where its package lies, when that was given instead of a name of assets/worlds. */
  folder: z.string().optional(),
  packageSha256: sha256,
  /** What runs the network; absent: onnxruntime. Never measured: every worker of a plan must make the same frames. */
  engine: z.enum(["own", "ort"]).optional(),
  /** Of our own engine; absent: float32. */
  precision: z.enum(PRECISIONS).optional(),
  /** As typed: random, scripted, onnx:FILE, ws://… */
  policy: z.string(),
  /** Of the policy's file, when it is one. */
  policySha256: sha256.optional(),
  /** What the worlds are told, episode after episode in turn; absent: nothing. */
  prompts: z.array(z.string().min(1).max(LONGEST_PROMPT)).min(1).optional(),
  seed: count,
  /** Of the whole plan, all shards together. */
  episodes: z.int().positive(),
  /** Of one episode. */
  frames: z.int().min(2),
  format: z.enum(FORMATS),
  /** This part of the plan has the episodes whose number leaves `index` when divided by `of`. */
  shard: z.strictObject({ index: count, of: z.int().positive() }),
});

export type Plan = z.infer<typeof planSchema>;

/** Numbers of the shard's episodes. */
export function episodesOf({ episodes, shard }: Plan): number[] {
  return Array.from({ length: episodes }, (_, episode) => episode).filter((e) => e % shard.of === shard.index);
}

const EPISODE_STREAM = 2; // the third word of the counter; noise has 0, the random policy 1

/** Where an episode begins: its own seed from the plan's, and the starts in turn. */
export function beginningOf({ seed }: Plan, episode: number, starts: number): { seed: number; start: number } {
  return { seed: seedOf(seed, episode), start: episode % starts };
}

/** Of an episode, from all episodes' seed. */
export function seedOf(seed: number, episode: number): number {
  const [low, high] = philox([episode, 0, EPISODE_STREAM, 0], [seed % 2 ** 32, Math.floor(seed / 2 ** 32)]);
  return low + (high % 2 ** 21) * 2 ** 32;
}

/** What an episode's world is told, from its first tick on. */
export function toldOf({ prompts }: Plan, episode: number): Told[] {
  const text = prompts?.[episode % prompts.length];
  return text === undefined ? [] : [{ tick: 1, text }];
}

/** As a file, its keys always in the same order. */
export const formatPlan = (plan: Plan): string => `${JSON.stringify(planSchema.parse(plan))}\n`;

/** @param where for messages. @throws DatasetError when it is no plan */
export function parsePlan(where: string, text: string): Plan {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new DatasetError(`${where}: expected JSON written by collect, got ${(error as Error).message}`);
  }
  const { data, error } = planSchema.safeParse(json);
  if (data) return data;
  const issue = error?.issues[0];
  throw new DatasetError(`${where}, ${issue?.path.join(".") || "top level"}: ${issue?.message}`);
}

/** Where the package lies doesn't matter, its hash does. @throws DatasetError naming the first thing that differs */
export function checkSamePlan(where: string, expected: Plan, found: Plan, except: readonly (keyof Plan)[] = []): void {
  for (const key of Object.keys(planSchema.shape) as (keyof Plan)[]) {
    if (key === "folder" || except.includes(key)) continue;
    const [a, b] = [JSON.stringify(expected[key]), JSON.stringify(found[key])];
    if (a !== b) {
      throw new DatasetError(`${where}: expected the same plan (${key} ${a}), got ${b}`);
    }
  }
}
