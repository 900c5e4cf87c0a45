/**
 * Has episodes played by `worldloop worker` on any machine, through BullMQ on Redis. Redis is only the way there: what
 * is finished lies in the staging folder, so a Redis that forgets everything costs work, never data. The loop looks at
 * the state of each job again and again instead of listening to events, so nothing can be missed: a job that is gone is
 * put again, a finished one is taken and removed. Jobs are named by plan and episode: putting one twice does nothing.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { Queue } from "bullmq";
import { Redis } from "ioredis";
import { CollectError } from "../errors";
import type { Executor, Work } from "./executor";
import type { Task } from "./pool-thread";

export const QUEUE = "worldloop-collect";
/** A worker that is silent for this long has died; its episode goes to another. */
export const LOCK_MS = 10_000;
const LOOK_MS = 100;
const AHEAD = 64; // jobs in Redis at once: it holds finished episodes until they are taken
const PATIENCE_MS = 120_000; // without Redis

/** @param url redis://host:port. @throws CollectError when Redis can't be reached at first, or for two minutes later on */
export const onQueue =
  (url: string): Executor =>
  async (work) => {
    const connection = await connectRedis(url);
    const queue = new Queue<Task, string>(QUEUE, { connection: connection as never, skipVersionCheck: true });
    queue.on("error", ignoreOutage);
    try {
      await drain(url, queue, work);
    } finally {
      await queue.close().catch(ignoreOutage);
      connection.disconnect();
    }
  };

async function drain(url: string, queue: Queue<Task, string>, { plan, episodes, take, signal }: Work): Promise<void> {
  const planHash = createHash("sha256").update(JSON.stringify(plan)).digest("hex").slice(0, 16);
  const waiting = [...episodes];
  const sent = new Set<number>();
  const jobOf = (episode: number) => `${planHash}-${episode}`;
  let heard = performance.now();
  while (sent.size > 0 || (waiting.length > 0 && !signal.aborted)) {
    try {
      while (!signal.aborted && sent.size < AHEAD && waiting.length > 0) sent.add(waiting.shift() as number);
      for (const episode of sent) {
        const state = await queue.getJobState(jobOf(episode)); // before the job: what is read later is as new or newer
        const job = await queue.getJob(jobOf(episode));
        if (state === "completed" && job) {
          await take(Buffer.from(job.returnvalue, "base64"));
          await job.remove();
          sent.delete(episode);
        } else if (state === "failed" && job) {
          await job.remove();
          throw new CollectError(job.failedReason);
        } else if (signal.aborted && state !== "active") {
          await job?.remove();
          sent.delete(episode);
        } else if (!job || state === "unknown") {
          await queue.add("episode", { plan, episode }, { jobId: jobOf(episode), attempts: 1 });
        }
      }
      heard = performance.now();
    } catch (error) {
      if (!isOutage(error)) {
        const jobs = await Promise.all([...sent].map((episode) => queue.getJob(jobOf(episode))));
        await Promise.allSettled(jobs.map((job) => job?.remove())); // one that is being played stays, and is ignored
        throw error;
      }
      if (performance.now() - heard > PATIENCE_MS) {
        throw new CollectError(`${url}: expected Redis to come back, got nothing for ${PATIENCE_MS / 1000} s`);
      }
    }
    await sleep(LOOK_MS);
  }
}

/** @throws CollectError when nobody answers there */
export async function connectRedis(url: string, options: { readonly blocking?: boolean } = {}): Promise<Redis> {
  const probe = new Redis(url, { lazyConnect: true, retryStrategy: () => null });
  probe.on("error", ignoreOutage);
  try {
    await probe.connect();
    await probe.ping();
  } catch (error) {
    throw new CollectError(
      `${url}: expected a Redis server, got ${(error as Error).message}; start redis-server there`,
    );
  } finally {
    probe.disconnect();
  }
  const retryStrategy = (times: number) => Math.min(times * 100, 2000);
  const redis = new Redis(url, { maxRetriesPerRequest: options.blocking ? null : 1, retryStrategy });
  redis.on("error", ignoreOutage);
  return redis;
}

/** Connections that break are made again by ioredis; whoever asked meanwhile gets an error of their own. */
export function ignoreOutage(error: Error): void {
  if (!isOutage(error)) console.error(`redis: ${error.message}`);
}

const isOutage = (error: unknown): boolean =>
  error instanceof Error &&
  (error.name === "MaxRetriesPerRequestError" ||
    /ECONN|EPIPE|Connection is closed|closed|LOADING|Missing (key|lock)/.test(`${error.name} ${error.message}`));
