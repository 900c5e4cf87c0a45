/**
 * A world that runs in a worker, as the page sees it: the one home of the worker's life cycle (start, abort, crash,
 * restart). The network is the worker's; what to remember for a restart, and how to get to any tick, is
 * `recorded-world.ts`'s.
 */
import { proxy } from "comlink";
import { AbortedError, ResetError, StateError, WorkerCrashError } from "../errors";
import { createJournal } from "./journal";
import { type RecordedWorld, recordCalls } from "./recorded-world";
import type { OpenedWorld, OpenOptions, Progress, StartPicture, WorkerFrame } from "./worker-api";
import { type Connection, connect, type WorkerLike } from "./worker-connection";
import type { Frame } from "./world";

/** ms. The slowest step of a usable machine takes under a second; a worker silent for this long won't come back. */
const PATIENCE_MS = 20_000;
/** In patiences: a package that is here already needs no download, only the network made ready and measured. */
const OPENING = 6;

export interface OpenWorldOptions extends OpenOptions {
  /** Aborting ends the worker at any time: what is pending, and all that follows, rejects with AbortedError. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  /** The worker died. Show it, and offer `restart`. */
  readonly onCrash?: (error: WorkerCrashError) => void;
}

export interface WorkerWorld extends RecordedWorld {
  readonly packageSha256: string;
  readonly files: readonly string[];
  /**
   * Starts a new worker and brings the session back to the tick of the last frame that was handed out; resolves to that
   * frame. When it rejects it can be called again.
   * @throws StateError after close or before the first reset; and all that `openWorld` throws
   */
  restart(): Promise<Frame>;
  /** The words of a world that takes prompts, as `prompt.ts` parses them. @throws StateError where it takes none */
  readWords(): Promise<Uint8Array>;
  /** A start's last picture. @throws ResetError when there is no such start */
  readStart(index: number): Promise<StartPicture>;
  /**
   * Keeps the package on this device for offline use. @returns addresses of what else its worker has fetched
   * @throws StorageError when there is no room
   */
  keep(): Promise<string[]>;
  /** Ends the worker the way a crash would. For tests. */
  kill(): void;
}

/** Where the worker comes from and how long to wait for it; a test puts its own in. */
export interface WorkerSource {
  start(): WorkerLike;
  readonly patienceMs: number;
}

const modelWorker: WorkerSource = {
  start: () => new Worker(new URL("../../workers/model.worker.ts", import.meta.url), { type: "module", name: "model" }),
  patienceMs: PATIENCE_MS,
};

/**
 * Opens the package at `url` (relative to the page), or in a zip, in a new worker.
 * @throws WorkerCrashError, AbortedError, BackendError and the named errors of a package
 */
export async function openWorld(options: OpenWorldOptions, source: WorkerSource = modelWorker): Promise<WorkerWorld> {
  const { signal, onProgress, onCrash } = options;
  const request: OpenOptions = {
    url: options.url instanceof Blob ? options.url : new URL(options.url, globalThis.document?.baseURI).href,
    ...(options.start === undefined ? {} : { start: options.start }),
    ...(options.precision === undefined ? {} : { precision: options.precision }),
    ...(options.engine === undefined ? {} : { engine: options.engine }),
    ...(options.backend === undefined ? {} : { backend: options.backend }),
    ...(options.threads === undefined ? {} : { threads: options.threads }),
  };
  let connection: Connection;

  /** A new worker, from now on the one that `close` ends, with the package open in it; none is left when that fails. */
  async function start(): Promise<OpenedWorld> {
    const report = createRelay(onProgress);
    let isOpen = false; // a death before that is told by the rejected promise alone
    const started = connect(source.start(), { signal, onCrash: (error) => isOpen && onCrash?.(error) });
    connection = started;
    try {
      const limit = request.url instanceof Blob ? OPENING * source.patienceMs : undefined;
      const opened = await started.call((api) => api.open(request, proxy(report.pass)), limit);
      isOpen = true;
      return opened;
    } catch (error) {
      started.end(error as Error);
      throw error;
    } finally {
      report.cut();
    }
  }

  let opened = await start();
  let closed = false;
  let restarting: Promise<Frame> | null = null;
  const call: Connection["call"] = (run) => connection.call(run, source.patienceMs);

  /** The engine may have had to move, from a GPU that was lost. */
  const told = async (answer: Promise<WorkerFrame>): Promise<Frame> => {
    const { backend, ...frame } = await answer;
    if (backend) opened = { ...opened, backend };
    return frame;
  };

  const journal = createJournal();
  const recorded = recordCalls(
    {
      reset: (from) => told(call((api) => api.reset(from))),
      step: (action, prompt, guide) => told(call((api) => api.step(action, prompt, guide))),
      rewind: (ticks) => told(call((api) => api.rewind(ticks))),
      restore: (snapshot) => told(call((api) => api.restore(snapshot))),
      snapshot: () => call((api) => api.snapshot()),
    },
    // A dead worker has been told by `onCrash`; any other failure only makes the replay after a crash longer.
    (error) => error.name === "WorkerCrashError" || closed || console.warn("No snapshot:", error.message),
    journal,
  );

  async function restart(): Promise<Frame> {
    if (closed) throw new StateError("restart: this world was closed. Open it again.");
    if (!journal.from) {
      throw new StateError("restart: nothing to bring back before the first reset. Open the world again.");
    }
    connection.end(new AbortedError("The worker was restarted."));
    const reopened = await start();
    if (reopened.packageSha256 !== opened.packageSha256) {
      const error = new ResetError("restart: the world's package has changed since it was opened. Reload the page.");
      connection.end(error);
      throw error;
    }
    opened = reopened;
    return recorded.recover();
  }

  return {
    get manifest() {
      return opened.manifest;
    },
    get backend() {
      return opened.backend;
    },
    get packageSha256() {
      return opened.packageSha256;
    },
    get files() {
      return opened.files;
    },
    journal,
    reset: recorded.reset,
    step: recorded.step,
    rewind: recorded.rewind,
    restore: recorded.restore,
    seek: recorded.seek,
    cut: recorded.cut,
    load: recorded.load,
    async status() {
      const status = await call((api) => api.status());
      return { ...status, rewindable: journal.position.tick - journal.first };
    },
    snapshot: () => call((api) => api.snapshot()),
    keep: () => connection.call((api) => api.keep()), // fetches what is missing, for as long as that takes
    readWords: () => call((api) => api.readWords()),
    readStart: (index) => call((api) => api.readStart(index)),
    restart() {
      restarting ??= restart().finally(() => {
        restarting = null;
      });
      return restarting;
    },
    async close() {
      if (closed) return;
      closed = true;
      connection.end(new StateError("This world was closed. Open it again."));
    },
    kill() {
      const error = new WorkerCrashError(
        "The model's worker was ended on purpose. Restart it to go on from where you were.",
      );
      connection.end(error);
      onCrash?.(error);
    },
  };
}

/**
 * Hands on what the worker reports, until it is cut. A browser may keep the port of a worker that was ended, and with it
 * whatever can be reached from here: this must not be the session.
 */
function createRelay(onProgress: ((progress: Progress) => void) | undefined) {
  let target = onProgress;
  return {
    pass: (progress: Progress) => target?.(progress),
    cut() {
      target = undefined;
    },
  };
}
