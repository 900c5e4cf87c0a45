/**
 * The service worker of the built page: starts it without a network, isolates it where the host sends no headers, and
 * never answers with an older file than the page asked for. Built by `vite/service-worker.ts`, which puts `SITE` in.
 *
 * - The page: newest first; the kept one when nobody answers in time.
 * - Built files have a hash in their name and package files one in their address: kept ones first.
 * - Lists, manifests and pictures of worlds, icons: newest first; a kept package's own manifest before the last one seen,
 *   so that no manifest meets graphs of another version.
 *
 * Package files are put into the cache by the model worker alone (`src/model/package-store.ts`). A new version of the page
 * takes over at once, since files under a running page are found by their hash; those of older versions go when no page is open.
 */
/** What the build knows of the page. */
declare const SITE: {
  /** Hash of all the files. */
  readonly version: string;
  /** What starts the page, as paths below the scope. The page itself isn't among them. */
  readonly files: readonly string[];
  /** Cross-origin isolation and the content security policy. */
  readonly headers: {
    readonly page: Readonly<Record<string, string>>;
    readonly worker: Readonly<Record<string, string>>;
  };
};

const worker = self as unknown as ServiceWorkerGlobalScope;
const { scope } = worker.registration;

const PAGE_PREFIX = "worldloop-page-";
const PACKAGE_PREFIX = "worldloop-package-";
const PAGE = PAGE_PREFIX + SITE.version;
/** Lists, manifests and pictures as they were last seen. */
const SEEN = "worldloop-seen";
/** In the page's own head; another site that has moved to this address doesn't have it. */
const MARK = 'name="worldloop-version"';
/**
 * Hosts say that answers vary with the header Origin, with which a page asks for its scripts and `addAll` doesn't. Ours
 * don't vary.
 */
const ANY = { ignoreVary: true };
/** ms. Whoever has a kept copy doesn't wait longer for a network that is hardly there. */
const PATIENCE_MS = 5_000;

const isPicture = (path: string) => /^worlds\/.*\.(webp|png|jpg|avif)$/.test(path);
const hasHashInName = (path: string) => path.startsWith("assets/");

worker.addEventListener("install", (event) => {
  event.waitUntil(Promise.all([keepPage(), worker.skipWaiting()]));
});

worker.addEventListener("activate", (event) => {
  event.waitUntil(takeOver());
});

worker.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || request.headers.has("range") || !request.url.startsWith(scope)) return;
  const url = new URL(request.url);
  const path = url.pathname.slice(new URL(scope).pathname.length);
  if (request.mode === "navigate") {
    if (path === "" || path === "index.html") event.respondWith(page(event));
  } else if (hasHashInName(path)) event.respondWith(builtFile(event));
  else if (url.searchParams.has("sha256")) event.respondWith(isPicture(path) ? picture(event) : packageFile(request));
  else if (isPicture(path) || /^worlds\/.*\.json$/.test(path)) event.respondWith(newest(event));
  else if (SITE.files.includes(path)) event.respondWith(newest(event));
});

/** All of one version or nothing. */
async function keepPage(): Promise<void> {
  const cache = await caches.open(PAGE);
  try {
    const html = await fetch(scope, { cache: "no-cache" });
    if (!html.ok || !(await html.clone().text()).includes(SITE.version)) {
      throw new Error(
        `The page: expected version ${SITE.version}, got another. It is being replaced; the next visit tries again.`,
      );
    }
    await cache.addAll(
      SITE.files.map((path) => new Request(scope + path, { cache: hasHashInName(path) ? "default" : "no-cache" })),
    );
    await cache.put(scope, html);
  } catch (error) {
    await caches.delete(PAGE);
    throw error;
  }
}

async function takeOver(): Promise<void> {
  await worker.clients.claim();
  const pages = await worker.clients.matchAll({ type: "window" });
  for (const client of pages) client.postMessage({ worldloopVersion: SITE.version });
}

async function forgetOlderPages(): Promise<void> {
  const open = await worker.clients.matchAll({ type: "window", includeUncontrolled: true });
  if (open.length > 0) return;
  const older = (await caches.keys()).filter((name) => name.startsWith(PAGE_PREFIX) && name !== PAGE);
  await Promise.all(older.map((name) => caches.delete(name)));
}

/** A person or the browser may have emptied the cache. */
async function keepPageAgain(): Promise<void> {
  if (await caches.match(scope, { ...ANY, cacheName: PAGE })) return;
  await keepPage().catch((error: Error) => console.info(error.message));
}

async function page(event: FetchEvent): Promise<Response> {
  event.waitUntil(Promise.all([forgetOlderPages(), keepPageAgain()]));
  const asked = fetch(event.request, { cache: "no-cache" });
  const answer = await inTime(asked);
  if (answer && answer.status < 500) return isolated(answer);
  const cache = await caches.open(PAGE);
  const copy = await cache.match(scope, ANY);
  return copy ? isolated(copy) : asked;
}

/** With the headers that a page of ours needs; another site's page and redirections as they are. */
async function isolated(response: Response): Promise<Response> {
  if (!response.ok || response.redirected) return response;
  const html = await response.text();
  const answer = new Response(html, response);
  return html.includes(MARK) ? withHeaders(answer, SITE.headers.page) : answer;
}

function withHeaders(response: Response, wanted: Readonly<Record<string, string>>): Response {
  const headers = new Headers(response.headers);
  if (!headers.has("Cross-Origin-Embedder-Policy")) headers.set("Server-Timing", "isolation;desc=service-worker");
  for (const [name, value] of Object.entries(wanted)) headers.set(name, value);
  const { status, statusText } = response;
  return new Response(response.body, { status, statusText, headers });
}

async function builtFile(event: FetchEvent): Promise<Response> {
  const { request } = event;
  let response = await caches.match(request, ANY);
  if (!response) {
    response = await fetch(request);
    if (response.status === 200) event.waitUntil(put(PAGE, request, response.clone()));
  }
  const isWorker = request.destination === "worker" || request.destination === "sharedworker";
  return isWorker && response.ok ? withHeaders(response, SITE.headers.worker) : response;
}

/** Reading it anew, which is asked for when its hash is wrong, forgets the copy. */
async function packageFile(request: Request): Promise<Response> {
  if (request.cache !== "reload") return (await caches.match(request, ANY)) ?? fetch(request, { cache: "no-store" });
  for (const name of await packages()) await (await caches.open(name)).delete(request, ANY);
  return fetch(request, { cache: "no-store" });
}

/** By its hash; of several versions the last one seen stays. */
async function picture(event: FetchEvent): Promise<Response> {
  const { request } = event;
  const copy = await caches.match(request, ANY);
  if (copy) return copy;
  const response = await fetch(request);
  const keepIt = async (fresh: Response) => {
    await (await caches.open(SEEN)).delete(request, { ...ANY, ignoreSearch: true });
    await put(SEEN, request, fresh);
  };
  if (response.status === 200) event.waitUntil(keepIt(response.clone()));
  return response;
}

async function newest(event: FetchEvent): Promise<Response> {
  const { request } = event;
  const asked = fetch(request, { cache: "no-cache" });
  const answer = await inTime(asked);
  if (answer && answer.status < 500) {
    if (answer.status === 200) event.waitUntil(put(SEEN, request, answer.clone()));
    return answer;
  }
  return (await kept(request)) ?? (await caches.match(request, ANY)) ?? asked;
}

/** A kept package's manifest, whose hash is the name of the cache; a damaged one is forgotten. */
async function kept(request: Request): Promise<Response | undefined> {
  for (const name of await packages()) {
    const response = await caches.match(request, { ...ANY, cacheName: name });
    if (!response) continue;
    const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await response.clone().arrayBuffer()));
    const sha256 = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
    if (name === PACKAGE_PREFIX + sha256) return response;
    await (await caches.open(name)).delete(request, ANY);
  }
  return undefined;
}

const packages = async () => (await caches.keys()).filter((name) => name.startsWith(PACKAGE_PREFIX));

/** A full disk is no reason not to play. */
async function put(name: string, request: Request, response: Response): Promise<void> {
  try {
    await (await caches.open(name)).put(request, response);
  } catch (error) {
    console.info(`Not kept for offline use: ${request.url} (${(error as Error).message})`);
  }
}

/** The answer, unless there is none or it is late. */
const inTime = (asked: Promise<Response>): Promise<Response | undefined> =>
  Promise.race([
    asked.catch(() => undefined),
    new Promise<undefined>((resolve) => setTimeout(resolve, PATIENCE_MS, undefined)),
  ]);
