/**
 * Worlds are the folders of `assets/worlds`. Their lists are derived here, so that nobody writes them twice:
 * `worlds/index.json`, the names of the folders that hold a `world.json`, and `worlds/previews.json`, what the previews
 * beside them say of themselves. The page's server (`npm start`) gives worlds as they lie there now, not the copies of when
 * the page was built: one that was trained meanwhile is there, and an open page can take up its new version.
 */
import { createReadStream, existsSync, readdirSync, readFileSync, type Stats, statSync } from "node:fs";
import { extname, join, normalize } from "node:path";
import type { Connect, Plugin } from "vite";

type Request = Parameters<Connect.NextHandleFunction>[0];
type Response = Parameters<Connect.NextHandleFunction>[1];

const PREFIX = "/worlds/";
/** Folders that training is still writing, or about to remove. */
const UNFINISHED = /\.(partial|old)$/;
const TYPES: Readonly<Record<string, string>> = {
  ".json": "application/json",
  ".md": "text/markdown",
  ".png": "image/png",
  ".webp": "image/webp",
};

/** In development, in the build and in its server. */
export function worldFiles(): Plugin {
  let folder = "";
  const names = () =>
    (existsSync(folder) ? readdirSync(folder).sort() : []).filter(
      (name) => !UNFINISHED.test(name) && existsSync(join(folder, name, "world.json")),
    );
  const previewOf = (name: string) => {
    const path = join(folder, name, "preview.json");
    return existsSync(path) ? { [name]: JSON.parse(readFileSync(path, "utf8")) } : {};
  };
  const lists: Readonly<Record<string, () => string>> = {
    "worlds/index.json": () => JSON.stringify(names()),
    "worlds/previews.json": () => JSON.stringify(Object.assign({}, ...names().map(previewOf))),
  };
  const giveList: Connect.NextHandleFunction = (request, response, next) => {
    const list = lists[request.url?.split("?")[0]?.slice(1) ?? ""];
    if (!list) return next();
    response.setHeader("Content-Type", "application/json");
    response.end(list());
  };
  return {
    name: "worldloop:world-files",
    configResolved(config) {
      folder = join(config.publicDir, "worlds");
    },
    configureServer(server) {
      server.middlewares.use(giveList);
    },
    configurePreviewServer(server) {
      server.middlewares.use(giveList);
      server.middlewares.use((request, response, next) => {
        const reads = request.method === "GET" || request.method === "HEAD";
        const found = reads ? find(folder, request.url ?? "") : undefined;
        if (found) serveFile(found, request, response);
        else next(); // the built page, or nothing
      });
    },
    generateBundle() {
      for (const [fileName, list] of Object.entries(lists)) this.emitFile({ type: "asset", fileName, source: list() });
    },
  };
}

interface Found {
  readonly path: string;
  readonly stats: Stats;
}

function serveFile({ path, stats }: Found, request: Request, response: Response): void {
  const tag = `W/"${[stats.size, stats.mtimeMs, stats.ino].map((n) => n.toString(36)).join("-")}"`;
  response.setHeader("Cache-Control", "no-cache");
  response.setHeader("Content-Type", TYPES[extname(path)] ?? "application/octet-stream");
  response.setHeader("ETag", tag);
  if (request.headers["if-none-match"] === tag) {
    response.writeHead(304).end();
    return;
  }
  if (request.method === "HEAD") {
    response.writeHead(200, { "Content-Length": stats.size }).end();
    return;
  }
  const stream = createReadStream(path);
  // Swapped for another version between the look and the opening: the page asks again.
  stream.on("error", () => (response.headersSent ? response.destroy() : response.writeHead(404).end()));
  stream.on("open", () => stream.pipe(response.writeHead(200)));
}

/** A file of a world, if the address is that of one. */
function find(folder: string, url: string): Found | undefined {
  const below = pathIn(url);
  if (below === undefined) return undefined;
  const path = join(folder, below);
  try {
    const stats = statSync(path);
    return stats.isFile() ? { path, stats } : undefined;
  } catch {
    return undefined; // nothing there, or no name that a file can have
  }
}

/** Below the folder of worlds; undefined for what lies elsewhere. */
function pathIn(url: string): string | undefined {
  const { pathname } = new URL(url, "http://localhost");
  if (!pathname.startsWith(PREFIX)) return undefined;
  try {
    const path = normalize(decodeURIComponent(pathname.slice(PREFIX.length)));
    return path.startsWith("..") || path.startsWith("/") || path.includes("\0") ? undefined : path;
  } catch {
    return undefined; // an address that isn't one
  }
}
