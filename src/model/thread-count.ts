/** How many threads a page may have: more than one share memory, which browsers give to isolated pages alone. */
import { BackendError } from "../errors";

/** @throws BackendError when it is no number of threads, or more than this page can have */
export function checkThreads(wanted: number | undefined): number | undefined {
  if (wanted !== undefined && (!Number.isInteger(wanted) || wanted < 1)) {
    throw new BackendError(`threads: expected a whole number from 1, got ${wanted}.`);
  }
  if (wanted !== undefined && wanted > 1 && !crossOriginIsolated) {
    throw new BackendError(
      `threads: expected a cross-origin isolated page for ${wanted} threads, got one without the COOP and COEP headers. Use threads=1.`,
    );
  }
  return wanted;
}
