/** Time, injected: the loop and its tests share this interface, and nobody else in the page reads a clock. */
export interface Clock {
  /** ms, on the time line of `Event.timeStamp`. */
  now(): number;
  /** Calls back after `ms`; the returned function cancels. */
  after(ms: number, callback: () => void): () => void;
}

/** The browser's. */
export const pageClock: Clock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};
