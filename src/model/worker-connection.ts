/**
 * One worker and the calls to it. comlink leaves calls pending for ever once a worker is gone, so every call here races
 * three ends: the worker dies, the caller aborts, the worker stops answering. Starting again is the client's.
 */
import { type Remote, releaseProxy, wrap } from "comlink";
import { AbortedError, WorkerCrashError } from "../errors";
import type { WorkerApi } from "./worker-api";

/** The part of `Worker` that is used, so that a test can stand in for one. */
export type WorkerLike = Pick<Worker, "postMessage" | "addEventListener" | "removeEventListener" | "terminate">;

export interface Connection {
  /**
   * One call. `limitMs` of silence counts as death; absent: waits as long as it takes (a download).
   * @throws WorkerCrashError, AbortedError, and what the worker throws
   */
  call<T>(run: (api: Remote<WorkerApi>) => Promise<T>, limitMs?: number): Promise<T>;
  /** Ends the worker; pending and later calls reject with the first reason given. */
  end(reason: Error): void;
}

/** @param onCrash called once when the worker ends by itself; not after `end` or an abort */
export function connect(
  worker: WorkerLike,
  options: { readonly signal: AbortSignal | undefined; readonly onCrash: (error: WorkerCrashError) => void },
): Connection {
  const api = wrap<WorkerApi>(worker);
  const { signal, onCrash } = options;
  let ended: Error | null = null;
  const pending = new Set<(reason: Error) => void>();

  const end = (reason: Error): void => {
    if (ended) return;
    ended = reason;
    signal?.removeEventListener("abort", abort);
    api[releaseProxy]();
    worker.terminate();
    for (const reject of pending) reject(reason);
    pending.clear();
  };
  const abort = (): void => end(new AbortedError("The world was given up before it answered."));
  const crash = (what: string): void => {
    if (ended) return;
    const error = new WorkerCrashError(`The model's worker stopped: ${what}. Restart it to go on from where you were.`);
    end(error);
    onCrash(error);
  };
  worker.addEventListener("error", (event) => {
    const { message } = event as ErrorEvent; // absent when the script itself can't be loaded
    crash(message || "its script could not be loaded");
  });
  worker.addEventListener("messageerror", () => crash("it sent something that can't be read"));
  if (signal?.aborted) abort();
  else signal?.addEventListener("abort", abort);

  return {
    end,
    call<T>(run: (api: Remote<WorkerApi>) => Promise<T>, limitMs?: number) {
      return new Promise<T>((resolve, reject) => {
        if (ended) return reject(ended);
        const giveUp = (reason: Error): void => {
          clearTimeout(timer); // it holds on to whoever waits
          reject(reason);
        };
        pending.add(giveUp);
        const timer =
          limitMs === undefined ? undefined : setTimeout(() => crash(`no answer for ${limitMs / 1000} s`), limitMs);
        const settled = (): void => {
          clearTimeout(timer);
          pending.delete(giveUp);
        };
        run(api).then(
          (value) => {
            settled();
            resolve(value);
          },
          (error: Error) => {
            settled();
            // A trap inside the WASM module: memory may be in any state, so nothing in this worker can be trusted.
            if (error.name === "RuntimeError") crash(error.message);
            reject(ended ?? error);
          },
        );
      });
    },
  };
}
