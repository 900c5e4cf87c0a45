/** Plays episodes that `collect --executor bullmq` puts on Redis, here and on any number of machines. */
import { once } from "node:events";
import { Worker } from "bullmq";
import { DatasetError } from "../errors";
import { planSchema } from "./plan";
import { openPool } from "./pool";
import type { Task } from "./pool-thread";
import { connectRedis, ignoreOutage, LOCK_MS, QUEUE } from "./queue";

const MOST_STALLS = 100; // how often an episode may be begun again after its worker died

export interface QueueWorkerEvents {
  readonly onReady: () => void;
  /** An episode was played. */
  readonly onEpisode: () => void;
}

/**
 * Runs until aborted; then ends the episodes under way.
 * @throws CollectError when there is no Redis at first; an outage later on is waited for
 */
export async function runQueueWorker(
  { redis, workers }: { readonly redis: string; readonly workers: number },
  signal: AbortSignal,
  { onReady, onEpisode }: QueueWorkerEvents,
): Promise<void> {
  const connection = await connectRedis(redis, { blocking: true });
  const pool = openPool(workers);
  const worker = new Worker<Task, string>(
    QUEUE,
    async ({ data }) => {
      const { data: plan, error } = planSchema.safeParse(data.plan);
      if (!plan)
        throw new DatasetError(`expected a plan of this version of worldloop, got ${error.issues[0]?.message}`);
      const packed = await pool.play(plan, data.episode);
      onEpisode();
      return Buffer.from(packed).toString("base64");
    },
    {
      connection: connection as never,
      concurrency: workers,
      lockDuration: LOCK_MS,
      stalledInterval: LOCK_MS / 2,
      maxStalledCount: MOST_STALLS,
      skipVersionCheck: true,
    },
  );
  worker.on("error", ignoreOutage);
  try {
    await worker.waitUntilReady();
    onReady();
    if (!signal.aborted) await once(signal, "abort");
  } finally {
    await worker.close();
    await pool.close();
    connection.disconnect();
  }
}
