/** What is being played right now: from the threads of the pool to whoever shows it, a few pictures a second. */
import { BroadcastChannel, threadId } from "node:worker_threads";

/** Faster than an eye follows many worlds, and too slow to slow the playing. */
const EVERY_MS = 100;

export interface Sight {
  /** The thread that plays; it plays one world at a time. */
  readonly player: number;
  readonly episode: number;
  readonly tick: number;
  /** uint8 [H, W, 3]. */
  readonly rgb: Uint8Array;
}

/** Called with every frame of this thread; passes on what isn't too soon after the last. The picture is copied. */
export function createSightSender(channel: string): (sight: Omit<Sight, "player">) => void {
  const out = new BroadcastChannel(channel);
  out.unref(); // it shall not keep the thread alive
  let next = 0;
  return (sight) => {
    const now = performance.now();
    if (now < next) return;
    next = now + EVERY_MS;
    out.postMessage({ ...sight, player: threadId });
  };
}

/** @returns ends the listening */
export function listenToSights(channel: string, show: (sight: Sight) => void): () => void {
  const incoming = new BroadcastChannel(channel);
  incoming.onmessage = (message) => show((message as MessageEvent<Sight>).data);
  incoming.unref();
  return () => incoming.close();
}
