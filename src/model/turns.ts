/**
 * One asynchronous job at a time, in the order they were asked for. A job that fails rejects its own promise and
 * nobody else's.
 */
export function takeTurns(): <T>(job: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (job) => {
    const result = last.then(job);
    last = result.then(
      () => undefined,
      () => undefined, // the caller has the rejection; the next job doesn't care
    );
    return result;
  };
}
