/**
 * Worlds from elsewhere that a person wanted remembered, whole zips under their package's sha256, in the browser's Cache
 * Storage. Only who said so is remembered; one that is only on its way from a drop to being opened is kept for that one
 * time. Where the browser keeps nothing (an insecure page, no room), nothing is remembered, and `keep` says so.
 */
const CACHE = "worldloop:foreign-worlds";
const DETAILS = "x-worldloop-details";

export interface KeptWorld {
  /** Of the package. */
  readonly sha256: string;
  readonly title: string;
  /** As links have it: an https address, or a file's name. */
  readonly address: string;
  readonly bytes: number;
  /** Only until it is taken. */
  readonly once: boolean;
}

/** Held by this page alone, so that a drop needs no storage where nothing is loaded again. */
const held = new Map<string, Blob>();

const key = (sha256: string): string => new URL(`foreign/${sha256}`, document.baseURI).href; // nothing is served there

/** Whether it will be there after the page is loaded again. */
export async function keep(world: KeptWorld, zip: Blob): Promise<boolean> {
  held.set(world.sha256, zip);
  const details = encodeURIComponent(JSON.stringify(world)); // a header holds no other letters
  return tolerant(async () => {
    await (await caches.open(CACHE)).put(key(world.sha256), new Response(zip, { headers: { [DETAILS]: details } }));
    return true;
  }, false);
}

/** The zip, if it is there. */
export async function take(sha256: string): Promise<Blob | undefined> {
  const here = held.get(sha256);
  held.delete(sha256);
  return tolerant(async () => {
    const cache = await caches.open(CACHE);
    const response = await cache.match(key(sha256));
    if (!response) return here;
    const zip = await response.blob();
    if (detailsOf(response)?.once) await cache.delete(key(sha256));
    return here ?? zip;
  }, here);
}

/** Those that were to be remembered. */
export const list = (): Promise<KeptWorld[]> =>
  tolerant(async () => {
    const kept = await (await caches.open(CACHE)).matchAll();
    return kept.flatMap((response) => detailsOf(response) ?? []).filter(({ once }) => !once);
  }, []);

export const forget = (sha256: string): Promise<boolean> =>
  tolerant(async () => (await caches.open(CACHE)).delete(key(sha256)), false);

function detailsOf({ headers }: Response): KeptWorld | undefined {
  return JSON.parse(decodeURIComponent(headers.get(DETAILS) ?? "null")) ?? undefined;
}

async function tolerant<T>(access: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await access();
  } catch (error) {
    console.info(`Worlds from elsewhere aren't kept: ${(error as Error).message}`);
    return otherwise;
  }
}

/** What was agreed to in this tab isn't asked again when it is loaded again. */
export function allow(sha256: string): void {
  try {
    sessionStorage.setItem(`worldloop:allowed:${sha256}`, "yes");
  } catch (error) {
    console.info(`Consent isn't kept: ${(error as Error).message}`);
  }
}

export function isAllowed(sha256: string): boolean {
  try {
    return sessionStorage.getItem(`worldloop:allowed:${sha256}`) === "yes";
  } catch {
    return false; // then it is asked again
  }
}
