/**
 * The plainest static host there is, with the built page in a folder of it and the tiny world under two names: no headers
 * but the type of the commonest files and the remark that answers vary with the origin, which none does. Can be shut and opened again at the same address, and can answer for some paths with
 * what a test says.
 */
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { extname, join, normalize } from "node:path";

const FOLDER = "/some/deep/path/";
const TYPES: Record<string, string> = {
  ".html": "text/html",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
  ".png": "image/png",
};

export interface PlainHost {
  readonly url: string;
  /** Path below the folder → what to answer instead; null: 404. */
  readonly instead: Map<string, string | Buffer | null>;
  /** Paths below the folder that were asked for since the last call, in order. */
  asked(): string[];
  shut(): Promise<void>;
  open(): Promise<void>;
}

export async function startPlainHost(): Promise<PlainHost> {
  const instead: PlainHost["instead"] = new Map([["worlds/index.json", '["tiny","other"]']]);
  let asked: string[] = [];
  let server: Server;
  let port = 0;
  const read = (path: string) => {
    const given = instead.get(path);
    if (given !== undefined) return given;
    const world = /^worlds\/(?:tiny|other)\/(.*)$/.exec(path)?.[1];
    return readFileSync(world === undefined ? join("dist", path) : join("tests/goldens/tiny-world", world));
  };
  const open = () =>
    new Promise<void>((resolve) => {
      server = createServer((request, response) => {
        const path = normalize(new URL(request.url ?? "/", "http://localhost").pathname);
        const below = path.startsWith(FOLDER) ? path.slice(FOLDER.length) || "index.html" : "";
        asked.push(below);
        try {
          const body = read(below);
          if (body === null) throw new Error("gone");
          const type = TYPES[extname(below)] ?? "application/octet-stream";
          response.writeHead(200, { "Content-Type": type, Vary: "Origin" }).end(body); // as many hosts do
        } catch {
          response.writeHead(404).end();
        }
      });
      server.listen(port, "127.0.0.1", () => {
        port = (server.address() as AddressInfo).port;
        resolve();
      });
    });
  await open();
  return {
    url: `http://127.0.0.1:${port}${FOLDER}`,
    instead,
    asked: () => {
      const paths = asked;
      asked = [];
      return paths;
    },
    open,
    shut: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
