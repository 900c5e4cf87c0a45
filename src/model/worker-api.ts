/**
 * What the model worker answers to: the agreement between `workers/model.worker.ts` and `worker-client.ts`.
 * Calls are coarse; frames come back transferred; tensors and the KV window stay in the worker, but for snapshots.
 * Errors keep their `name` and `message` on the way back.
 */
import type { EngineChoice, Precision } from "./engine-choice";
import type { Manifest } from "./manifest";
import type { Action, Frame, ResetOptions, Snapshot, World } from "./world";

export type Backend = "wasm" | "webgpu";

export interface OpenOptions {
  /** Absolute URL of the package's folder, ending in a slash; or the package itself, as a zip. */
  readonly url: string | Blob;
  /** Where the session will begin; absent: 0. Everything else is fetched when it is asked for. */
  readonly start?: number;
  /** What runs the network (`engine.ts`); absent: onnxruntime where a backend of it is asked for, else "auto". */
  readonly engine?: EngineChoice;
  /** Of our own engine; absent: float32. */
  readonly precision?: Precision;
  /** Absent: WASM for our own engine; of onnxruntime WebGPU when an adapter is there, WASM otherwise. */
  readonly backend?: Backend;
  /** WASM threads; absent: chosen by the machine. More than one needs a cross-origin isolated page. */
  readonly threads?: number;
}

/** Bytes while the package downloads; then, once, that the session is being made. Once in between, the first picture. */
export interface Progress {
  readonly loaded: number;
  /** Bytes; 0 while unknown. */
  readonly total: number;
  readonly phase: "download" | "session";
  /** Where the session will begin: something to look at meanwhile. */
  readonly picture?: StartPicture;
}

/** What is fixed once a world is open. */
export interface OpenedWorld {
  readonly manifest: Manifest;
  readonly backend: World["backend"];
  readonly packageSha256: string;
  /** Names of the package's files, fetched or not. */
  readonly files: readonly string[];
}

/** A start's last picture, uint8 RGB [height, width, 3]. */
export interface StartPicture {
  readonly width: number;
  readonly height: number;
  readonly rgb: Uint8Array;
}

/** A frame; and what computes from now on, when that is no longer what the page was told. */
export type WorkerFrame = Frame & { readonly backend?: World["backend"] };

export interface WorkerApi {
  /** Once per worker. @throws the package's errors (see package.ts), BackendError */
  open(options: OpenOptions, onProgress: (progress: Progress) => void): Promise<OpenedWorld>;
  reset(options: ResetOptions): Promise<WorkerFrame>;
  step(action: Action, prompt?: string, guide?: Uint8Array): Promise<WorkerFrame>;
  rewind(ticks: number): Promise<WorkerFrame>;
  status(): ReturnType<World["status"]>;
  snapshot(): Promise<Snapshot>;
  restore(snapshot: Snapshot): Promise<WorkerFrame>;
  /** The words of a world that takes prompts, as `prompt.ts` parses them. */
  readWords(): Promise<Uint8Array>;
  /** @throws ResetError when there is no such start */
  readStart(index: number): Promise<StartPicture>;
  /**
   * Keeps the package on this device for offline use. @returns addresses of what else this worker has fetched
   * @throws StorageError when there is no room
   */
  keep(): Promise<string[]>;
  close(): Promise<void>;
}
