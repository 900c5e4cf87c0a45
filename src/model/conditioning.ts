/**
 * What a pass of the network is conditioned on, put together as the inputs of the tick graph: the action, the newest
 * latent, the KV window with the age of each slot, noise and, where the world takes them, what it was told and the picture that guides it. Shapes: `contract.ts`. Running the graph: `network-model.ts`.
 */
import { isGuided, noiseSize } from "./contract";
import { agesOf, type KvState } from "./kv-window";
import type { Manifest } from "./manifest";
import type { Words } from "./prompt";
import { normals } from "./rng";
import type { Action, Snapshot } from "./world";

/** The inputs of one pass, row by row; of the window its slots, null where they are empty. */
export type TickInputs = Readonly<{
  noise: Float32Array; // [evaluations, tokens, channels] of the noise
  action: Float32Array; // [1, actions]
  latent: Float32Array; // [1, tokens, channels]
  kv: readonly (Float32Array | null)[]; // slots of [layers, 2, tokens, width]
  age: Int32Array; // [slots]
  prompt?: Float32Array; // [1, width], zeros while nothing was told; only where the world takes prompts
  guide?: Uint8Array; // [height, width, 3], grey while there is none; only where the world takes guides
}>;

export interface Conditioning {
  /** For the step that leaves `state`: its noise is that of the state's seed and tick. */
  ofStep(state: Snapshot, action: Action): TickInputs;
  /** For a pass over the history that a session begins with, which only fills the window: its noise is zeros. */
  ofHistory(window: KvState, latent: Float32Array, action: Action): TickInputs;
}

/** A guide that says nothing, uint8 [height, width, 3]: in each channel zero, nearly, as a network reads it. */
export const greyGuide = ({ picture }: Pick<Manifest, "picture">): Uint8Array<ArrayBuffer> =>
  new Uint8Array(picture.height * picture.width * 3).fill(128);

/** @param words of a world that takes prompts */
export function createConditioning(manifest: Manifest, words?: Words): Conditioning {
  const { tokens, channels } = noiseSize(manifest);
  const noiseLength = manifest.evaluations * tokens * channels;
  const silence = new Float32Array(noiseLength);
  const quiet = new Float32Array(manifest.prompt?.width ?? 0);
  const grey = greyGuide(manifest);
  let newest = { text: "", vector: quiet };
  /** Of the same text the same numbers, encoded once. */
  const vectorOf = (text: string | undefined): Float32Array => {
    if (text === undefined || !words) return quiet;
    if (newest.text !== text) newest = { text, vector: words.encode(text).vector as Float32Array<ArrayBuffer> };
    return newest.vector;
  };
  const inputs = (
    window: KvState & Pick<Snapshot, "prompt" | "guide">,
    latent: Float32Array,
    action: Action,
    noise: Float32Array,
  ): TickInputs => {
    const told = manifest.prompt ? { prompt: vectorOf(window.prompt) } : {};
    const guided = isGuided(manifest) ? { guide: window.guide ?? grey } : {};
    return { noise, action, latent, kv: window.slots, age: agesOf(window), ...told, ...guided };
  };
  return {
    ofStep: (state, action) => inputs(state, state.latent, action, normals(state.seed, state.tick, noiseLength)),
    ofHistory: (window, latent, action) => inputs(window, latent, action, silence),
  };
}
