/** What the address asks for: `?engine=own|ort|auto&precision=float32|int8&backend=wasm|webgpu&threads=n&follow` and `#world=…&seed=…&start=…&replay=…`. */
import { BackendError, quoted, UnknownWorldError } from "../errors";
import { type EngineChoice, isEngineChoice, isPrecision, type Precision } from "../model/engine-choice";
import { formatHash, parseHash, type Shared } from "../record/share-link";

export interface Address extends Shared {
  readonly engine?: EngineChoice;
  readonly precision?: Precision;
  readonly backend?: "wasm" | "webgpu";
  readonly threads?: number;
  /** New versions of the world are taken up as they come: `new-version.ts`. */
  readonly follows?: true;
}

/** The world that an address's hash names, of this site or from elsewhere; undefined for the gallery. */
export const worldIn = (hash: string): string | undefined => {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  return parts.get("world") || parts.get("package") || undefined;
};

/** What is wrong with a hash that names no world though it says something; null for the gallery's own. */
export function strayIn(hash: string): UnknownWorldError | null {
  const text = hash.replace(/^#/, "");
  if (text === "" || worldIn(hash) !== undefined) return null;
  return new UnknownWorldError(
    `Address: expected #world=NAME or #package=ADDRESS, got ${quoted(`#${text}`)}. Correct the address, or choose a world.`,
  );
}

/** @throws RecordingError, BackendError when a part isn't what its name says */
export function readAddress(location: Pick<Location, "search" | "hash">): Address {
  const query = new URLSearchParams(location.search);
  const engine = query.get("engine");
  if (engine !== null && !isEngineChoice(engine)) {
    throw new BackendError(`Address, engine: expected own, ort or auto, got "${engine}". Correct the address.`);
  }
  const precision = query.get("precision");
  if (precision !== null && !isPrecision(precision)) {
    throw new BackendError(`Address, precision: expected float32 or int8, got "${precision}". Correct the address.`);
  }
  const backend = query.get("backend");
  if (backend !== null && backend !== "wasm" && backend !== "webgpu") {
    throw new BackendError(`Address, backend: expected wasm or webgpu, got "${backend}". Correct the address.`);
  }
  const threads = query.get("threads");
  if (threads !== null && !/^[1-9][0-9]?$/.test(threads)) {
    throw new BackendError(`Address, threads: expected a number from 1 to 99, got "${threads}". Correct the address.`);
  }
  return {
    ...parseHash(location.hash),
    ...(engine ? { engine } : {}),
    ...(precision ? { precision } : {}),
    ...(backend ? { backend } : {}),
    ...(threads ? { threads: Number(threads) } : {}),
    ...(query.has("follow") ? { follows: true as const } : {}),
  };
}

/** The page's address with this hash; the browser's history doesn't grow. */
export function writeAddress(shared: Shared): void {
  history.replaceState(null, "", formatHash(shared));
}

/** Names of the worlds that this site offers. @throws UnknownWorldError when there is no list or it is empty */
export async function listWorlds(): Promise<string[]> {
  const response = await fetch("worlds/index.json", { cache: "no-cache" });
  const names: unknown = response.ok ? await response.json() : [];
  if (Array.isArray(names) && names.length > 0) return names.map(String);
  throw new UnknownWorldError(
    "Worlds: expected a list with at least one name in worlds/index.json, got none. Put a world's package there.",
  );
}
