/**
 * `world.json`: everything the runtime knows about a world, checked once on load. Tensor names, shapes, the action
 * table and the KV layout live here and nowhere else. The Python package reads this schema as JSON Schema,
 * `python/worldloop/manifest.schema.json`; what no schema can say (shapes that follow from other fields) is `contract.ts`.
 */
import { en } from "zod/locales"; // says in words what is wrong
import { z } from "zod/mini"; // the small zod: the worker and the gallery wait for this file
import { ManifestError, ManifestVersionError, quoted } from "../errors";

/** The schema this runtime reads. */
export const SCHEMA_VERSION = 1;

z.config(en());

const path = z.string().check(z.minLength(1)); // checked against the rules of paths in package.ts
const sha256 = z.string().check(z.regex(/^[0-9a-f]{64}$/));
const count = z.int().check(z.nonnegative());
const positive = z.int().check(z.positive());

const actionSchema = z
  .strictObject({
    name: z.string().check(z.regex(/^[a-z][a-z0-9_]*$/)),
    min: z.number(),
    max: z.number(),
    /** Value when nothing is pressed. */
    rest: z.number(),
    /** In words, for people. */
    unit: z.string(),
    /** Default keys: `KeyboardEvent.code` → value while held; several held keys of one action add up, then clamp. */
    keys: z.record(z.string(), z.number()),
    /** Default control of a pad: a stick's axis gives [-1, 1] (`Y`: down is positive; `YUp`: up is), a trigger [0, 1]. */
    gamepad: z.enum([
      "leftX",
      "leftY",
      "leftYUp",
      "rightX",
      "rightY",
      "rightYUp",
      "leftTrigger",
      "rightTrigger",
      "a",
      "b",
      "x",
      "y",
    ]),
  })
  .check(
    z.refine((a) => a.min < a.max && a.min <= a.rest && a.rest <= a.max, {
      message: "expected min < max and rest between them",
    }),
  );

const tensor = z
  .strictObject({
    dtype: z.enum(["float32", "int32", "uint8"]),
    shape: z.array(positive),
  })
  .register(z.globalRegistry, { id: "tensor" });

const graph = z
  .strictObject({
    file: path,
    inputs: z.record(z.string(), tensor),
    outputs: z.record(z.string(), tensor),
  })
  .register(z.globalRegistry, { id: "graph" });

/** Fields that this schema doesn't know are left out: another release's optional graphs, such as `large` once was. */
export const manifestSchema = z.readonly(
  z.object({
    schema: z.literal(SCHEMA_VERSION),
    name: z.string().check(z.regex(/^[a-z0-9][a-z0-9-]*$/)),
    title: z.string().check(z.minLength(1), z.maxLength(200)),
    description: z.string(),
    picture: z.strictObject({ width: positive, height: positive }),
    /** Ticks per second. */
    frameRate: z.number().check(z.positive(), z.lte(1000)),
    /** The one action table, in the order of the action vector. */
    actions: z.array(actionSchema).check(z.minLength(1)),
    latent: z.strictObject({ tokens: positive, channels: positive }),
    /** Of one evaluation's noise; as the latent where it isn't given. */
    noise: z.optional(z.strictObject({ tokens: positive, channels: positive })),
    /** Slots are ordered sink | memory | window; a slot holds one frame's keys and values [layers, 2, tokens, width]. */
    kv: z.strictObject({
      layers: positive,
      tokens: positive,
      width: positive,
      sink: count,
      memory: count,
      window: positive,
      /** Largest age (ticks) the network was trained on; the graph clamps to it. */
      maxAge: positive,
    }),
    /** Function evaluations per frame. */
    evaluations: positive,
    /**
     * In: noise, action, latent, kv, age; where the world takes prompts, prompt; where it takes guides, guide: uint8
     * [H, W, 3]. Out: rgba, latent_next, slot.
     */
    tick: graph,
    /**
     * Optional: the tick of several worlds in one run, every tensor with a leading dimension of worlds. Read by the
     * Python package alone.
     */
    batch: z.optional(graph),
    /** In: picture uint8 [H, W, 3] and, if it asks for it, before: the picture before it. Out: latent. */
    encoder: graph,
    /** Optional. In: latent, action, latent_next. Out: reward and done (probability) of that step, each [1]. */
    reward: z.optional(graph),
    /** Optional: the world takes prompts, as so many numbers; the file holds its words (`prompt.ts`). */
    prompt: z.optional(z.strictObject({ file: path, width: positive })),
    /** Histories to begin from: `frames` latents [frames, tokens, channels], the actions between, the last picture. */
    starts: z
      .array(
        z.strictObject({
          title: z.string().check(z.minLength(1), z.maxLength(200)),
          frames: positive,
          latents: path, // float32 little-endian
          actions: path, // float32 little-endian [frames - 1, actions]; may be an empty file
          picture: path, // uint8 [H, W, 3], the last frame as the environment drew it
        }),
      )
      .check(z.minLength(1)),
    /** Every file of the package but world.json itself. */
    files: z.record(path, z.strictObject({ bytes: count, sha256 })),
    recordedFrom: z.strictObject({ environment: z.string(), licence: z.string(), frames: count }),
    /** The card's figures: name → number, in the order to show them. */
    metrics: z.record(z.string(), z.number()),
  }),
);

export type Manifest = z.infer<typeof manifestSchema>;
export type ActionSpec = Manifest["actions"][number];
export type GraphSpec = Manifest["tick"];

/** @throws ManifestError, ManifestVersionError */
export function parseManifest(text: string): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new ManifestError(`world.json: expected JSON, got something else (${(error as Error).message}).`);
  }
  const version = (json as { schema?: unknown } | null)?.schema;
  if (version !== SCHEMA_VERSION) {
    throw new ManifestVersionError(
      `world.json: expected schema ${SCHEMA_VERSION}, got ${quoted(version)}. Export the world again, or use a matching release.`,
    );
  }
  const result = manifestSchema.safeParse(json);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw new ManifestError(`world.json, ${issue?.path.join(".") || "top level"}: ${issue?.message}.`);
  }
  return result.data;
}
