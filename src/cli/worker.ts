/** `worldloop worker`: plays episodes that `collect --executor bullmq` asks for, until Ctrl-C. */
import { DEFAULT_WORKERS } from "../collect/pool";
import { runQueueWorker } from "../collect/queue-worker";
import { parseWhole } from "./input";

/** As typed. */
export interface WorkerOptions {
  readonly redis: string;
  readonly workers?: string;
}

/** @returns the line to print at the end. @throws CollectError when there is no Redis */
export async function runWorker({ redis, workers }: WorkerOptions, signal: AbortSignal, out: (text: string) => void) {
  const count = parseWhole("--workers", workers ?? String(DEFAULT_WORKERS), 1, 256);
  let episodes = 0;
  await runQueueWorker({ redis, workers: count }, signal, {
    onReady: () => out(`${count} sessions wait for work on ${redis}; Ctrl-C ends them after their episodes\n`),
    onEpisode: () => {
      episodes += 1;
    },
  });
  return `${episodes} episodes played`;
}
