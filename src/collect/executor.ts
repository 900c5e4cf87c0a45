/** Has episodes played in this process. What is done with them, and which are wanted: see `collect.ts`. */
import type { Plan } from "./plan";
import { openPool } from "./pool";

/** Gets one packed episode at a time. @throws what it throws stops the collecting */
export type Take = (packed: Uint8Array) => Promise<void>;

export interface Work {
  readonly plan: Plan;
  readonly episodes: readonly number[];
  readonly take: Take;
  /** Once aborted, no further episode begins; those under way are finished and taken. */
  readonly signal: AbortSignal;
}

/** Ends when every episode was taken, or after an abort. */
export type Executor = (work: Work) => Promise<void>;

/**
 * A pool of worker threads; each takes the next episode when it is done with one.
 * @param watch the channel of `sight.ts` that shall hear of every frame
 */
export const inProcess =
  (workers: number, watch?: string): Executor =>
  async ({ plan, episodes, take, signal }) => {
    const pool = openPool(Math.min(workers, episodes.length), watch);
    const waiting = episodes.values(); // shared by all loops
    const stop = new AbortController();
    let turn: Promise<unknown> = Promise.resolve();
    const loop = async () => {
      while (!signal.aborted && !stop.signal.aborted) {
        const next = waiting.next();
        if (next.done) return;
        const packed = await pool.play(plan, next.value);
        const taken = turn.then(() => take(packed));
        turn = Promise.allSettled([taken]);
        await taken;
      }
    };
    const loops = Array.from({ length: Math.min(workers, episodes.length) }, () =>
      loop().catch((error: unknown) => {
        stop.abort();
        throw error;
      }),
    );
    try {
      await Promise.all(loops);
    } finally {
      await Promise.allSettled(loops); // what is under way is finished and taken, whatever failed beside it
      await pool.close();
    }
  };
