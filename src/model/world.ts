/**
 * The one world contract: reset, step, rewind, close. The fake world, the network in Node and the network in a worker
 * all keep it, and `conformance.ts` checks that they do.
 */
import type { Precision } from "./engine-choice";
import type { Manifest } from "./manifest";

/** One picture. The receiver owns the buffer. */
export interface Frame {
  /** RGBA, row by row from the top left, uint8 [height, width, 4]; alpha is 255. */
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
  /** Steps since reset: 0 is the start picture, t is what followed the t-th action. */
  readonly tick: number;
  /** What the step was worth, where the world has a reward head and the caller asked for it; never at tick 0. */
  readonly outcome?: Outcome;
}

/** What a reward head says of a step; or why it says nothing, in words. */
export type Outcome = Judgement | { readonly error: string };

export interface Judgement {
  /** Of this step, in the units of the recorded environment. */
  readonly reward: number;
  /** Of all steps since reset, this one included. */
  readonly total: number;
  /** The episode is over. */
  readonly done: boolean;
}

/** The action vector: one value per entry of `manifest.actions`, in that order, in the environment's units. */
export type Action = Float32Array;

/** n pictures and the n − 1 actions between them, taken as history instead of a start of the package. */
export interface Context {
  /** uint8 RGB [n, height, width, 3]. */
  readonly frames: Uint8Array;
  /** float32 [n − 1, actions]. */
  readonly actions: Float32Array;
}

export interface ResetOptions {
  /** Seed of every random number of the session, an integer in [0, 2^53). */
  readonly seed: number;
  /** Index into `manifest.starts`; default 0. Excludes `context`. */
  readonly start?: number;
  readonly context?: Context;
}

/** The whole state of a session, structured-cloneable; restoring it makes the future repeat exactly. */
export interface Snapshot {
  readonly packageSha256: string;
  readonly seed: number;
  readonly tick: number;
  /** What the world was told last; absent: nothing yet. */
  readonly prompt?: string;
  /** uint8 [height, width, 3]: the guide of the newest frame; absent: none yet. */
  readonly guide?: Uint8Array;
  /** float32 [tokens, channels]: the newest latent. */
  readonly latent: Float32Array;
  /** One entry per slot of the KV window: its keys and values [layers, 2, tokens, width], null when empty. */
  readonly slots: readonly (Float32Array | null)[];
  /** Model pass (context passes count) that wrote each slot, −1 when empty. */
  readonly written: readonly number[];
  /** Model passes so far, context included. */
  readonly passes: number;
  readonly frame: Frame;
}

export interface World {
  readonly manifest: Manifest;
  /** What computes. */
  readonly backend: {
    /** "own" (our engine), "wasm", "webgpu" or "cpu" (onnxruntime), or "fake". */
    readonly name: string;
    readonly threads: number;
    /** Of our own engine: what it computes on. */
    readonly machine?: "wasm" | "webgpu";
    /** Of our own engine. */
    readonly precision?: Precision;
    /** Of our own engine, in words: instruction set and precision, which decide what the last bits are. */
    readonly arithmetic?: string;
    /** Why it is this one, in words. */
    readonly detail?: string;
  };
  /** Forgets everything, then begins at a start or after a context. @throws ResetError */
  reset(options: ResetOptions): Promise<Frame>;
  /**
   * One action, one frame. @param prompt what the world is told from this step on; absent: as before
   * @param guide uint8 RGB [height, width, 3], a picture of the moment that this step makes; absent: as before
   * @throws StateError before reset or after close; ActionError; PromptError, GuideError, also where the world takes none
   */
  step(action: Action, prompt?: string, guide?: Uint8Array): Promise<Frame>;
  /** Runs time backwards by up to `ticks` steps (as far as the timeline is kept); the future is forgotten. @throws StateError */
  rewind(ticks: number): Promise<Frame>;
  /** How many ticks `rewind` could go back now, and how many slots of the KV window are filled. */
  status(): Promise<{ readonly rewindable: number; readonly kvFilled: number; readonly kvSlots: number }>;
  /** @throws StateError */
  snapshot(): Promise<Snapshot>;
  /** @throws StateError, ResetError when the snapshot is of another package */
  restore(snapshot: Snapshot): Promise<Frame>;
  /** Frees the session; calling it again does nothing. */
  close(): Promise<void>;
}
