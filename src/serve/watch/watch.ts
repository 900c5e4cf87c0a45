/**
 * A page on this machine that shows worlds while they are played: `collect --watch`. It only ever tells; what a visitor
 * says ends the connection. Host, Origin and a token in the address keep other pages and users out, as `gate.ts` says.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { WebSocket, WebSocketServer } from "ws";
import { farewell } from "../converse";
import { checkNames, createGate, type GateRules, refuse, sameToken } from "../gate";

const MOST_VISITORS = 8;
/** A visitor who has so much left to read is shown no further picture until it has caught up. */
const MOST_WAITING_BYTES = 1 << 20;

/** What the page is made of, by the path behind the token. */
const FILES = {
  "": { file: "watch.html", type: "text/html" },
  "watch.css": { file: "watch.css", type: "text/css" },
  "watch-page.js": { file: "watch-page.js", type: "text/javascript" },
};

/** What a page may do: nothing but show itself and listen to where it came from. */
const HEADERS = {
  "Content-Security-Policy":
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  "Referrer-Policy": "no-referrer", // the address holds the token
  "X-Content-Type-Options": "nosniff",
  "Cache-Control": "no-store",
};

const STRANGER = "expected the address that collect printed";

/** What is said of all worlds. */
export interface WatchedRun {
  readonly world: string;
  readonly policy: string;
  /** Of an episode. */
  readonly frames: number;
  readonly picture: { readonly width: number; readonly height: number };
}

/** One world's newest frame. */
export interface WatchedFrame {
  /** Any number that stands for this world. */
  readonly player: number;
  readonly episode: number;
  readonly tick: number;
  /** uint8 [H, W, 3]. */
  readonly rgb: Uint8Array;
}

export interface Watch {
  /** To be opened in a browser; holds the token. */
  readonly url: string;
  show(frame: WatchedFrame): void;
  close(): Promise<void>;
}

/** Listens on 127.0.0.1 at a free port. */
export async function openWatch({ picture, ...about }: WatchedRun): Promise<Watch> {
  const token = randomBytes(24).toString("base64url");
  const files = new Map(
    Object.entries(FILES).map(([path, { file, type }]) => [
      path,
      { type: `${type}; charset=utf-8`, contents: readFileSync(new URL(file, import.meta.url)) },
    ]),
  );
  const http = createGate(4 * MOST_VISITORS);
  await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
  const { port } = http.address() as AddressInfo;
  const names = ["127.0.0.1", "localhost"].map((name) => `${name}:${port}`);
  const rules: GateRules = { token, hosts: names, origins: names.map((name) => `http://${name}`) };
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 1024, perMessageDeflate: false });
  /** World by player, numbered from 1 as they are first seen, and the newest message of each. */
  const newest = new Map<number, { readonly world: number; message: Uint8Array }>();

  /** What of the page is asked for: the path behind the token. */
  function pathOf(url: string | undefined): string | null {
    const [, given = "", path] = /^\/([A-Za-z0-9_-]+)\/([a-z.-]*)$/.exec(url ?? "") ?? [];
    return path !== undefined && sameToken(given, token) ? path : null;
  }

  http.on("request", ({ headers, method, url }, response) => {
    const foreign = checkNames(headers, rules);
    if (foreign) return respond(response, 403, "text/plain", foreign);
    const path = pathOf(url);
    if (path === null) return respond(response, 401, "text/plain", STRANGER);
    const file = files.get(path);
    if (!file || method !== "GET") return respond(response, 404, "text/plain", "not here");
    respond(response, 200, file.type, file.contents);
  });

  http.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    const foreign = checkNames(request.headers, rules);
    if (foreign) return refuse(socket, 403, foreign);
    if (pathOf(request.url) !== "ws") return refuse(socket, 401, STRANGER);
    if (sockets.clients.size >= MOST_VISITORS) return refuse(socket, 503, "expected room for a visitor, got none");
    sockets.handleUpgrade(request, socket, head, (visitor) => {
      visitor.on("error", () => visitor.terminate());
      visitor.on("message", () => farewell(visitor, 1008, "expected silence"));
      visitor.send(JSON.stringify(about));
      for (const { message } of newest.values()) visitor.send(message);
    });
  });

  return {
    url: `http://127.0.0.1:${port}/${token}/`,
    show({ player, episode, tick, rgb }) {
      const world = newest.get(player)?.world ?? newest.size + 1;
      const message = pack({ world, episode, tick, ...picture }, rgb);
      newest.set(player, { world, message });
      for (const visitor of sockets.clients) {
        if (visitor.readyState === WebSocket.OPEN && visitor.bufferedAmount < MOST_WAITING_BYTES) visitor.send(message);
      }
    },
    async close() {
      const closed = new Promise((resolve) => http.close(resolve));
      http.closeAllConnections(); // of requests; sockets say goodbye
      for (const visitor of sockets.clients) farewell(visitor, 1001, "the collecting has ended");
      await closed;
    },
  };
}

/** The length of the JSON as uint32 little-endian, the JSON, then the picture. */
function pack(entry: object, rgb: Uint8Array): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(entry));
  const message = new Uint8Array(4 + json.length + rgb.length);
  new DataView(message.buffer).setUint32(0, json.length, true);
  message.set(json, 4);
  message.set(rgb, 4 + json.length);
  return message;
}

function respond(response: ServerResponse, status: number, type: string, body: string | Buffer): void {
  response.writeHead(status, { ...HEADERS, "Content-Type": type });
  response.end(body);
}
