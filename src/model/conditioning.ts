/**
 * What a pass of the network is conditioned on, put together as the inputs of the tick graph: the action, the newest
 * latent, the KV window with the age of each slot, and noise. Shapes: `contract.ts`. Running the graph: `network-model.ts`.
 */
import { noiseSize } from "./contract";
import { agesOf, type KvState } from "./kv-window";
import type { Manifest } from "./manifest";
import { normals } from "./rng";
import type { Action, Snapshot } from "./world";

/** The inputs of one pass, row by row; of the window its slots, null where they are empty. */
export type TickInputs = Readonly<{
  noise: Float32Array; // [evaluations, tokens, channels] of the noise
  action: Float32Array; // [1, actions]
  latent: Float32Array; // [1, tokens, channels]
  kv: readonly (Float32Array | null)[]; // slots of [layers, 2, tokens, width]
  age: Int32Array; // [slots]
}>;

export interface Conditioning {
  /** For the step that leaves `state`: its noise is that of the state's seed and tick. */
  ofStep(state: Snapshot, action: Action): TickInputs;
  /** For a pass over the history that a session begins with, which only fills the window: its noise is zeros. */
  ofHistory(window: KvState, latent: Float32Array, action: Action): TickInputs;
}

export function createConditioning(manifest: Manifest): Conditioning {
  const { tokens, channels } = noiseSize(manifest);
  const noiseLength = manifest.evaluations * tokens * channels;
  const silence = new Float32Array(noiseLength);
  const inputs = (window: KvState, latent: Float32Array, action: Action, noise: Float32Array): TickInputs => {
    return { noise, action, latent, kv: window.slots, age: agesOf(window) };
  };
  return {
    ofStep: (state, action) => inputs(state, state.latent, action, normals(state.seed, state.tick, noiseLength)),
    ofHistory: (window, latent, action) => inputs(window, latent, action, silence),
  };
}
