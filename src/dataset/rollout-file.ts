/** `rollout.json`: all that is needed to play a rollout again, and the hashes to compare it with. */
import { z } from "zod";
import { RecordingError } from "../errors";
import { MOST_THREADS, PRECISIONS } from "../model/engine-choice";
import type { Told } from "../model/prompt";
import { actionsSha256, GENERATED, GENERATOR, type Provenance, toldSchema } from "../model/provenance";
import type { Action } from "../model/world";

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected a sha256 in hex");
const count = z.int().nonnegative();
const namedAction = z.record(z.string(), z.number());
const milliseconds = z.number().nonnegative();

/** The context's pictures lie beside rollout.json under this name. */
export const CONTEXT_FILE = "context.npy";

const rolloutSchema = z.strictObject({
  schema: z.literal(1),
  /** Name of the world. */
  world: z.string(),
  /** Where its package lay, when that was given instead of a name of assets/worlds. */
  folder: z.string().optional(),
  packageSha256: sha256,
  seed: count,
  /** Where it began: a start of the package, or pictures and the actions between them. */
  start: count.optional(),
  context: z
    .strictObject({
      frames: z.strictObject({ file: z.literal(CONTEXT_FILE), sha256 }),
      actions: z.array(namedAction),
    })
    .optional(),
  actions: z.array(namedAction).min(1),
  /** What the world was told, and the tick that the first step under it makes; absent: nothing. */
  prompts: z.optional(toldSchema),
  /** sha256 of the RGB bytes of the frame that follows each action. */
  frameHashes: z.array(sha256),
  /** Left out of datasets: the same seeds give the same bytes there. */
  tickMs: z.strictObject({ p50: milliseconds, p95: milliseconds, p99: milliseconds }).optional(),
  backend: z.string(),
  /** Of our own engine; absent: float32. */
  precision: z.enum(PRECISIONS).optional(),
  threads: z.int().positive().max(MOST_THREADS),
  ortVersion: z.string(),
  /** That a network generated the frames, what program had it do so, and the hash of the actions; older files have none. */
  digitalSourceType: z.literal(GENERATED).optional(),
  generator: z.string().optional(),
  actionsSha256: sha256.optional(),
  /** What a dataset keeps of an episode beside its rollout. */
  episode: z
    .strictObject({
      number: count,
      task: z.string(),
      /** Answers the last frame; it leads to none. */
      lastAction: namedAction,
      /** Pixels of each value 0 … 255, for red, green and blue: [3][256]. Statistics are made from it. */
      histogram: z.array(z.array(count).length(256)).length(3),
    })
    .optional(),
});

export type Rollout = z.infer<typeof rolloutSchema>;

/** What every rollout says of its frames and of what led to them. */
export const markOf = async (actions: readonly Action[], told: readonly Told[] = []) => ({
  ...(told.length > 0 ? { prompts: [...told] } : {}),
  digitalSourceType: GENERATED as typeof GENERATED,
  generator: GENERATOR,
  actionsSha256: await actionsSha256(actions, told),
});

/** float32 values of each action, in the order of the table, which is the order they were written in. */
const valuesOf = ({ actions }: Rollout): number[][] => actions.map((action) => Object.values(action));

/** The record of one rollout, as `worldloop inspect` shows it. */
export async function provenanceOf(rollout: Rollout): Promise<Provenance> {
  const { world, packageSha256, seed, start, context, actions, backend, threads, ortVersion, frameHashes } = rollout;
  const frameSha256 = frameHashes.at(-1);
  const own = { machine: "wasm", precision: rollout.precision ?? "float32", arithmetic: ortVersion } as const;
  return {
    ...{ schema: 1, kind: "rollout", generator: rollout.generator ?? "Worldloop", digitalSourceType: GENERATED },
    ...{ world, packageSha256 },
    engine: { name: backend, ...(backend === "own" ? own : {}), threads },
    shots: [
      {
        seed,
        ...(start === undefined ? {} : { start }),
        ...(context ? { contextSha256: context.frames.sha256 } : {}),
        ...{ from: 1, to: actions.length },
        actionsSha256: rollout.actionsSha256 ?? (await actionsSha256(valuesOf(rollout), rollout.prompts)),
        ...(frameSha256 === undefined ? {} : { frameSha256 }),
      },
    ],
  };
}

/** Why the rollout can't be true, whatever replaying it gives; null where nothing speaks against it. */
export async function contradictionIn(rollout: Rollout): Promise<string | null> {
  if (rollout.actionsSha256 === undefined) return null;
  const found = await actionsSha256(valuesOf(rollout), rollout.prompts);
  if (found === rollout.actionsSha256) return null;
  return `its actions have the hash ${found}, it says ${rollout.actionsSha256}: it was changed after it was made`;
}

/** @param path for messages. @throws RecordingError */
export function parseRollout(path: string, text: string): Rollout {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new RecordingError(`${path}: expected JSON written by rollout, got ${(error as Error).message}`);
  }
  const { success, data, error } = rolloutSchema.safeParse(json);
  if (!success) {
    const issue = error.issues[0];
    throw new RecordingError(`${path}, ${issue?.path.join(".") || "top level"}: ${issue?.message}`);
  }
  if ((data.start === undefined) === (data.context === undefined)) {
    throw new RecordingError(`${path}: expected either start or context`);
  }
  if (data.frameHashes.length !== data.actions.length) {
    throw new RecordingError(
      `${path}: expected one frame hash per action (${data.actions.length}), got ${data.frameHashes.length}`,
    );
  }
  return data;
}
