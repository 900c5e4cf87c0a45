/**
 * Keeps an open package on this device for offline use, in the browser's Cache API: a cache for each package, named by
 * the package's hash, with its files under the addresses that `http-source.ts` reads them from. `world.json` is put in last: a
 * cache without it is unfinished. Serving from them is the service worker's (`workers/service-worker.ts`).
 */
import { StorageError } from "../errors";
import { fileAddress } from "./http-source";
import { neededFiles, type WorldPackage } from "./package";
import { PACKAGE_CACHE, packageCaches } from "./package-caches";

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
    await cache.put(manifestAddress, responseOf(await read("world.json")));
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
