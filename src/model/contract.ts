/**
 * What a manifest must say about its graphs and starts, given its own sizes: the tick contract of
 * `docs/package-format.md`, spelled out in shapes.
 */
import { ManifestError, ShapeError } from "../errors";
import { slotCount } from "./kv-window";
import type { GraphSpec, Manifest } from "./manifest";

/** Of one tensor, 256 MiB as float32; and bytes of a package. A manifest could ask for any amount of memory otherwise. */
const MAX_NUMBERS = 2 ** 26;
export const MAX_BYTES = 2 ** 30;

type Tensors = GraphSpec["inputs"];
type Sides = Pick<GraphSpec, "inputs" | "outputs">;
type Graph = "tick" | "batch" | "encoder" | "reward";

/** The tensors that the graphs of a world with these sizes take and give; `tick` and `encoder` are in every world. */
export function contractOf(manifest: Manifest): Record<Graph, Sides> {
  const { picture, kv, evaluations } = manifest;
  const { tokens, channels } = manifest.latent;
  const noise = noiseSize(manifest);
  const float = (...shape: number[]) => ({ dtype: "float32", shape }) as const;
  const bytes = (...shape: number[]) => ({ dtype: "uint8", shape }) as const;
  const slots = slotCount(kv);
  const slot = [kv.layers, 2, kv.tokens, kv.width];
  const tick: Sides = {
    inputs: {
      noise: float(evaluations, noise.tokens, noise.channels),
      action: float(1, manifest.actions.length),
      latent: float(1, tokens, channels),
      kv: float(slots, ...slot),
      age: { dtype: "int32", shape: [slots] },
      ...(manifest.prompt ? { prompt: float(1, manifest.prompt.width) } : {}),
      ...(isGuided(manifest) ? { guide: bytes(picture.height, picture.width, 3) } : {}),
    },
    outputs: {
      rgba: bytes(picture.height, picture.width, 4),
      latent_next: float(1, tokens, channels),
      slot: float(...slot),
    },
  };
  const worlds = manifest.batch?.inputs.noise?.shape[0] ?? 1;
  const many = (tensors: Tensors): Tensors =>
    Object.fromEntries(
      Object.entries(tensors).map(([name, { dtype, shape }]) => [name, { dtype, shape: [worlds, ...shape] }]),
    );
  return {
    tick,
    batch: { inputs: many(tick.inputs), outputs: many(tick.outputs) },
    encoder: {
      inputs: Object.fromEntries(encoded(manifest).map((name) => [name, bytes(picture.height, picture.width, 3)])),
      outputs: { latent: float(1, tokens, channels) },
    },
    reward: {
      inputs: {
        latent: float(1, tokens, channels),
        action: float(1, manifest.actions.length),
        latent_next: float(1, tokens, channels),
      },
      outputs: { reward: float(1), done: float(1) },
    },
  };
}

/** What the encoder takes: a picture and, if it asks for it, the one before (of the first: itself). */
export const encoded = ({ encoder }: Pick<Manifest, "encoder">) =>
  encoder.inputs.before ? ["picture", "before"] : ["picture"];

/** Whether the tick takes a guide: a picture of the moment that it makes. */
export const isGuided = ({ tick }: Pick<Manifest, "tick">): boolean => tick.inputs.guide !== undefined;

/** Of what one evaluation draws. */
export const noiseSize = ({ noise, latent }: Pick<Manifest, "noise" | "latent">) => noise ?? latent;

/** Bytes that each file of a start must have. */
export function startBytes(manifest: Manifest, start: Manifest["starts"][number]) {
  return {
    latents: 4 * start.frames * manifest.latent.tokens * manifest.latent.channels,
    actions: 4 * (start.frames - 1) * manifest.actions.length,
    picture: 3 * manifest.picture.width * manifest.picture.height,
  };
}

/** @throws ShapeError, ManifestError when the manifest contradicts the contract or itself */
export function checkContract(manifest: Manifest): void {
  const names = manifest.actions.map((action) => action.name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) {
    throw new ManifestError(`world.json, actions: expected every name once, got "${twice}" twice.`);
  }
  if (manifest.prompt && names.includes("prompt")) {
    throw new ManifestError(
      'world.json, actions: expected none called "prompt" where the world takes prompts, got one.',
    );
  }
  const bytes = Object.values(manifest.files).reduce((sum, file) => sum + file.bytes, 0);
  if (bytes > MAX_BYTES) {
    throw new ManifestError(`world.json, files: expected at most ${MAX_BYTES} bytes in all, got ${bytes}.`);
  }
  const contract = contractOf(manifest);
  for (const graph of ["tick", "batch", "encoder", "reward"] as const) {
    const spec = manifest[graph];
    if (!spec) continue;
    for (const side of ["inputs", "outputs"] as const) {
      const where = `world.json, ${graph}.${side}`;
      checkTensors(where, contract[graph][side], spec[side]);
      for (const [name, { shape }] of Object.entries(spec[side])) {
        if (shape.reduce((size, length) => size * length, 1) <= MAX_NUMBERS) continue;
        throw new ShapeError(`${where}, ${name}: expected at most ${MAX_NUMBERS} numbers, got [${shape.join(", ")}].`);
      }
    }
  }
  manifest.starts.forEach((start, index) => {
    for (const [key, expected] of Object.entries(startBytes(manifest, start))) {
      const file = start[key as "latents" | "actions" | "picture"];
      const bytes = manifest.files[file]?.bytes;
      if (bytes !== expected) {
        throw new ShapeError(
          `world.json, starts.${index}.${key}: expected ${expected} bytes, got ${bytes} in ${file}. Export the world again.`,
        );
      }
    }
  });
}

/** @throws ShapeError when names, types or shapes differ */
export function checkTensors(where: string, expected: Tensors, got: Tensors): void {
  const names = (tensors: Tensors) => Object.keys(tensors).sort().join(", ");
  if (names(expected) !== names(got)) {
    throw new ShapeError(`${where}: expected ${names(expected)}, got ${names(got)}. Export the world again.`);
  }
  for (const [name, { dtype, shape }] of Object.entries(expected)) {
    const wanted = `${dtype} [${shape.join(", ")}]`;
    const found = `${got[name]?.dtype} [${got[name]?.shape.join(", ")}]`;
    if (wanted !== found) {
      throw new ShapeError(`${where}, ${name}: expected ${wanted}, got ${found}. Export the world again.`);
    }
  }
}
