/** A world that is open, in a worker of its own, and not in play yet; and who ends it. */
import type { Progress } from "../model/worker-api";
import { openWorld, type WorkerWorld } from "../model/worker-client";
import type { Frame } from "../model/world";
import type { Address } from "./address";
import type { Session } from "./session";
import { loadSettings } from "./settings";
import type { WorldSource } from "./world-source";

export type Drawable = Pick<Frame, "width" | "height" | "rgba">;

export interface Opened extends WorldSource {
  readonly world: WorkerWorld;
  readonly address: Address;
  /** Told when the worker dies. */
  session?: Session;
  /** Ends the worker. */
  end(): void;
}

/**
 * Opens a package as the address says. @param signal calls the opening off; what is open already is its owner's
 * @throws what `openWorld` throws
 */
export async function openIn(
  source: WorldSource,
  address: Address,
  signal: AbortSignal,
  onProgress?: (progress: Progress) => void,
): Promise<Opened> {
  const ending = new AbortController();
  const end = () => ending.abort(signal.reason);
  signal.addEventListener("abort", end);
  let opened: Opened | undefined;
  try {
    const world = await openWorld({
      url: source.url,
      engine: address.engine ?? (address.backend ? "ort" : loadSettings().engine),
      ...(address.start === undefined ? {} : { start: address.start }),
      ...(address.precision ? { precision: address.precision } : {}),
      ...(address.backend ? { backend: address.backend } : {}),
      ...(address.threads ? { threads: address.threads } : {}),
      signal: ending.signal,
      ...(onProgress ? { onProgress } : {}),
      onCrash: (error) => opened?.session?.loop.fail(error),
    });
    opened = { ...source, world, address, end };
    return opened;
  } finally {
    signal.removeEventListener("abort", end);
  }
}

/** From now on the world ends with the signal. */
export function own(opened: Opened, signal: AbortSignal): Opened {
  if (signal.aborted) opened.end();
  signal.addEventListener("abort", () => opened.end());
  signal.throwIfAborted();
  return opened;
}
