/**
 * What is kept of packages on this device, in the browser's Cache API, and how to be rid of it: a cache for each package,
 * named by its hash (`package-store.ts` fills them), and the zips of worlds from elsewhere. Imports nothing, for the page.
 */
export const PACKAGE_CACHE = "worldloop-package-";
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

export const packageCaches = async () => (await caches.keys()).filter((name) => name.startsWith(PACKAGE_CACHE));

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
