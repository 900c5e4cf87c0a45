/**
 * A world that runs in a worker, as the page sees it: the one home of the worker's life cycle (start, abort, crash,
 * restart). The network is the worker's; what to remember for a restart is the journal's.
 */
import { proxy } from "comlink";
import { AbortedError, ResetError, StateError, WorkerCrashError } from "../errors";
import { createJournal } from "./journal";
import type { OpenedWorld, OpenOptions, Progress, StartPicture } from "./worker-api";
import { type Connection, connect, type WorkerLike } from "./worker-connection";
import type { Frame, World } from "./world";

/** ms. The slowest step of a usable machine takes under a second; a worker silent for this long won't come back. */
const PATIENCE_MS = 20_000;

export interface OpenWorldOptions extends OpenOptions {
  /** Aborting ends the worker at any time: what is pending, and all that follows, rejects with AbortedError. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
  /** The worker died. Show it, and offer `restart`. */
  readonly onCrash?: (error: WorkerCrashError) => void;
}

export interface WorkerWorld extends World {
  readonly packageSha256: string;
  readonly files: readonly string[];
  /**
   * Starts a new worker and brings the session back to the tick of the last frame that was handed out; resolves to that
   * frame. When it rejects it can be called again.
   * @throws StateError after close or before the first reset; and all that `openWorld` throws
   */
  restart(): Promise<Frame>;
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
 * Opens the package at `url` (relative to the page) in a new worker.
 * @throws WorkerCrashError, AbortedError, BackendError and the named errors of a package
 */
export async function openWorld(options: OpenWorldOptions, source: WorkerSource = modelWorker): Promise<WorkerWorld> {
  const { signal, onProgress, onCrash } = options;
  const request: OpenOptions = {
    url: new URL(options.url, globalThis.document?.baseURI).href,
    ...(options.start === undefined ? {} : { start: options.start }),
    ...(options.precision === undefined ? {} : { precision: options.precision }),
    ...(options.engine === undefined ? {} : { engine: options.engine }),
    ...(options.backend === undefined ? {} : { backend: options.backend }),
    ...(options.threads === undefined ? {} : { threads: options.threads }),
  };
  const journal = createJournal();
  let connection: Connection;

  /** A new worker, from now on the one that `close` ends, with the package open in it; none is left when that fails. */
  async function start(): Promise<OpenedWorld> {
    const report = onProgress ?? (() => undefined);
    let isOpen = false; // a death before that is told by the rejected promise alone
    const started = connect(source.start(), { signal, onCrash: (error) => isOpen && onCrash?.(error) });
    connection = started;
    try {
      const opened = await started.call((api) => api.open(request, proxy(report)));
      isOpen = true;
      return opened;
    } catch (error) {
      started.end(error as Error);
      throw error;
    }
  }

  let opened = await start();
  let closed = false;
  let restarting: Promise<Frame> | null = null;
  const call: Connection["call"] = (run) => connection.call(run, source.patienceMs);

  async function restart(): Promise<Frame> {
    if (closed) throw new StateError("restart: this world was closed. Open it again.");
    const recovery = journal.recovery();
    if (!recovery) throw new StateError("restart: nothing to bring back before the first reset. Open the world again.");
    connection.end(new AbortedError("The worker was restarted."));
    const reopened = await start();
    if (reopened.packageSha256 !== opened.packageSha256) {
      const error = new ResetError("restart: the world's package has changed since it was opened. Reload the page.");
      connection.end(error);
      throw error;
    }
    opened = reopened;
    const { from } = recovery;
    let frame = await call((api) => ("reset" in from ? api.reset(from.reset) : api.restore(from.snapshot)));
    for (const action of recovery.actions) frame = await call((api) => api.step(action));
    return frame;
  }

  /** Asked for between two steps and not waited for: the worker answers while the page waits for the next tick. */
  function takeSnapshotWhenDue(): void {
    const token = journal.due();
    if (token === null) return;
    call((api) => api.snapshot()).then(
      (snapshot) => journal.keep(token, snapshot),
      // A dead worker has been told by `onCrash`; any other failure only makes the replay after a crash longer.
      (error: Error) => error.name === "WorkerCrashError" || console.warn("No snapshot:", error.message),
    );
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
    async reset(options) {
      if (journal.recovery() === null) journal.began({ reset: options }); // so that a crash in here can be restarted
      const frame = await call((api) => api.reset(options));
      journal.began({ reset: options });
      return frame;
    },
    async step(action) {
      const frame = await call((api) => api.step(action));
      journal.acted(action);
      takeSnapshotWhenDue();
      return frame;
    },
    async rewind(ticks) {
      const frame = await call((api) => api.rewind(ticks));
      journal.rewound(frame.tick);
      return frame;
    },
    status: () => call((api) => api.status()),
    snapshot: () => call((api) => api.snapshot()),
    async restore(snapshot) {
      const frame = await call((api) => api.restore(snapshot));
      journal.began({ snapshot });
      return frame;
    },
    keep: () => connection.call((api) => api.keep()), // fetches what is missing, for as long as that takes
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
