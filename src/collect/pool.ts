/** Worker threads that play episodes, one model session each. */
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { fileURLToPath, pathToFileURL } from "node:url";
import { Piscina } from "piscina";
import { CollectError } from "../errors";
import type { Plan } from "./plan";
import type { Outcome, Task } from "./pool-thread";

export interface Pool {
  /** @returns a packed episode. @throws CollectError with the reason why it couldn't be played */
  play(plan: Plan, episode: number): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/** One session per core unless told otherwise. */
export const DEFAULT_WORKERS = availableParallelism();

/** @param watch the channel of `sight.ts` that shall hear of every frame */
export function openPool(workers: number, watch?: string): Pool {
  const typescript = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const pool = new Piscina<Task, Outcome>({
    filename: fileURLToPath(new URL("pool-thread.ts", import.meta.url)),
    execArgv: ["--import", typescript], // threads start with plain Node
    minThreads: 0,
    maxThreads: workers,
    concurrentTasksPerWorker: 1,
    idleTimeout: Number.POSITIVE_INFINITY, // a model session is worth keeping
  });
  return {
    async play(plan, episode) {
      const outcome = await pool.run({ plan, episode, ...(watch !== undefined && { watch }) });
      if ("packed" in outcome) return outcome.packed;
      throw new CollectError(`episode ${episode}: ${outcome.problem}`);
    },
    close: () => pool.destroy(),
  };
}
