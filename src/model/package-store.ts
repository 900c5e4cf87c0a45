/**
 * Packages kept on this device for offline use, in the browser's Cache API: a cache for each package, named by the
 * package's hash, with its files under the addresses that `http-source.ts` reads them from. `world.json` is put in last: a
 * cache without it is unfinished. Serving from them is the service worker's (`workers/service-worker.ts`).
 */
import { StorageError } from "../errors";
import { fileAddress } from "./http-source";
import { neededFiles, type WorldPackage } from "./package";

const PACKAGE_CACHE = "worldloop-package-";
/** Zips of worlds from elsewhere, each with what is known of it in a header: `foreign-store.ts` of the page puts them there. */
const ZIP_CACHE = "worldloop:foreign-worlds";
const ZIP_DETAILS = "x-worldloop-details";

export interface KeptPackage {
  /** Name of its cache, and its address there if the cache holds others too. */
  readonly cache: string;
  readonly entry?: string;
  /** Of the package. */
  readonly sha256: string;
  /** Of its manifest; undefined while it is unfinished. */
  readonly title: string | undefined;
  readonly bytes: number;
}

/**
 * Keeps all that a session in this package may need, and forgets older versions that no tab has open.
 * @param url the package's folder, absolute, ending in a slash
 * @throws StorageError when there is no room, with nothing of it kept; and what reading the rest of its files throws
 */
export async function keepPackage({ manifest, sha256, read }: WorldPackage, url: string): Promise<void> {
  const name = PACKAGE_CACHE + sha256;
  // Held as long as this worker lives: other tabs don't forget what is played here.
  void navigator.locks.request(name, { mode: "shared" }, () => new Promise(() => undefined));
  const manifestAddress = fileAddress(url, "world.json").href;
  try {
    const cache = await caches.open(name);
    const there = new Set((await cache.keys()).map((request) => request.url));
    for (const path of neededFiles(manifest)) {
      const address = fileAddress(url, path, manifest.files[path]?.sha256).href;
      if (!there.has(address)) await cache.put(address, responseOf(await read(path)));
    }
    if (!there.has(manifestAddress)) await cache.put(manifestAddress, responseOf(await read("world.json")));
  } catch (error) {
    if ((error as Error).name !== "QuotaExceededError") throw error;
    await caches.delete(name);
    throw new StorageError(
      `${manifest.title} plays, but can't be kept for offline use: expected room for it on this device, got none. Delete another world in the settings.`,
    );
  }
  await forgetOlder(name, manifestAddress);
}

const responseOf = (bytes: Uint8Array<ArrayBuffer>): Response =>
  new Response(bytes, { headers: { "Content-Length": String(bytes.length) } });

async function forgetOlder(newest: string, manifestAddress: string): Promise<void> {
  for (const name of await packageCaches()) {
    if (name === newest || !(await caches.match(manifestAddress, { cacheName: name }))) continue;
    await navigator.locks.request(name, { ifAvailable: true }, async (lock) => {
      if (lock) await caches.delete(name);
    });
  }
}

const packageCaches = async () => (await caches.keys()).filter((name) => name.startsWith(PACKAGE_CACHE));

/** All that is kept, whoever put it there, by title. */
export async function listKept(): Promise<KeptPackage[]> {
  const packages = await Promise.all((await packageCaches()).map(describe));
  const all = [...packages, ...(await listZips())];
  return all.sort((a, b) => (a.title ?? "").localeCompare(b.title ?? ""));
}

async function describe(name: string): Promise<KeptPackage> {
  const cache = await caches.open(name);
  const requests = await cache.keys();
  const sizes = await Promise.all(requests.map(async (request) => sizeOf(await cache.match(request))));
  const manifest = requests.find(({ url }) => new URL(url).pathname.endsWith("/world.json"));
  return {
    cache: name,
    sha256: name.slice(PACKAGE_CACHE.length),
    title: manifest && (await titleOf(await cache.match(manifest))),
    bytes: sizes.reduce((sum, bytes) => sum + bytes, 0),
  };
}

async function listZips(): Promise<KeptPackage[]> {
  if (!(await caches.has(ZIP_CACHE))) return [];
  const cache = await caches.open(ZIP_CACHE);
  const zips = (await cache.keys()).map(async ({ url }) => {
    const response = await cache.match(url);
    const details = parse(decodeURIComponent(response?.headers.get(ZIP_DETAILS) ?? "null"));
    const title = typeof details?.title === "string" ? details.title : undefined;
    const sha256 = url.split("/").at(-1) ?? "";
    return { cache: ZIP_CACHE, entry: url, sha256, title, bytes: await sizeOf(response) };
  });
  return Promise.all(zips);
}

async function sizeOf(response: Response | undefined): Promise<number> {
  const told = Number(response?.headers.get("Content-Length") ?? Number.NaN);
  return Number.isNaN(told) ? ((await response?.blob())?.size ?? 0) : told;
}

async function titleOf(response: Response | undefined): Promise<string | undefined> {
  const manifest = parse((await response?.text()) ?? "null");
  return typeof manifest?.title === "string" ? manifest.title : undefined;
}

/** What a cache holds may be damaged. */
function parse(json: string): { readonly title?: unknown } | null {
  try {
    return JSON.parse(json);
  } catch (error) {
    console.info(`A kept world can't be read: ${(error as Error).message}`);
    return null;
  }
}

/** Frees its room. A session that plays it goes on. */
export async function forget({ cache, entry }: Pick<KeptPackage, "cache" | "entry">): Promise<void> {
  if (entry === undefined) await caches.delete(cache);
  else await (await caches.open(cache)).delete(entry);
}
