/** The one place that turns an address into something to open: a world of this site, or one from elsewhere. */
import { UnknownWorldError } from "../errors";
import type { Progress } from "../model/worker-api";
import type { Shared } from "../record/share-link";
import type { Address } from "./address";

/** How links name a world. */
export type Place = Pick<Shared, "world" | "foreign">;

/** How sessions, records and what is remembered name it. */
export const nameOf = ({ world, foreign }: Place): string => foreign?.address ?? world ?? "";

export interface WorldSource {
  /** As `openWorld` takes it. */
  readonly url: string | Blob;
  readonly place: Place;
}

/**
 * A world from elsewhere is opened only after the person has agreed to it.
 * @param worlds names of this site's. @throws UnknownWorldError, AbortedError, and what opening a package throws
 */
export async function findSource(
  address: Address,
  worlds: readonly string[],
  onProgress: (progress: Progress) => void,
): Promise<WorldSource> {
  if (address.foreign) return (await import("./foreign-world")).openForeign(address.foreign, onProgress);
  const name = address.world ?? "";
  if (!worlds.includes(name)) {
    throw new UnknownWorldError(`World: expected one of ${worlds.join(", ")}, got "${name}". Correct the address.`);
  }
  return { url: `worlds/${name}/`, place: { world: name } };
}
