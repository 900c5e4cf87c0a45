/**
 * Who may connect, and how long one may take to say so. A page of some other site can reach a server on this machine through the visitor's browser: the
 * allow-lists of Host (against DNS rebinding) and Origin, and the token, each keep it out.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage, type Server, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";

/** How long a request's headers may take. */
const HEADERS_MS = 5000;
/** How often Node looks whether they took longer; its own 30 s would let silent sockets keep everyone out as long. */
const CHECK_MS = 500;

/** @param maxConnections sockets at once, those of requests about to be refused included */
export function createGate(maxConnections: number): Server {
  const http = createServer({
    headersTimeout: HEADERS_MS,
    requestTimeout: 2 * HEADERS_MS,
    connectionsCheckingInterval: CHECK_MS,
    maxHeaderSize: 8192,
  });
  http.maxConnections = maxConnections;
  return http;
}

/** Answers an upgrade that isn't granted and hangs up: a client that doesn't must not keep the socket. */
export function refuse(socket: Duplex, status: number, reason: string): void {
  const body = `${reason}\n`;
  socket.once("finish", () => socket.destroy());
  socket.end(
    `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\nContent-Type: text/plain\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}

export interface GateRules {
  readonly token: string;
  /** Host headers to accept, with the port. */
  readonly hosts: readonly string[];
  /** Origins of pages to accept. Programs send none and are let in by their token. */
  readonly origins: readonly string[];
}

export type Entry =
  | { readonly protocol: "worldloop" }
  | { readonly protocol: "openenv"; readonly world: string }
  | { readonly protocol: "refused"; readonly status: 401 | 403 | 404; readonly reason: string };

/** What an upgrade request asks for, if it may. The path of an OpenEnv client holds its token: it can't send headers. */
export function admit({ url, headers }: IncomingMessage, rules: GateRules): Entry {
  const refused = (status: 401 | 403 | 404, reason: string) => ({ protocol: "refused", status, reason }) as const;
  const foreign = checkNames(headers, rules);
  if (foreign) return refused(403, foreign);
  const path = (url ?? "/").split("?", 1)[0] as string;
  const openenv = /^\/openenv\/([a-z0-9-]+)\/([A-Za-z0-9_-]+)\/ws$/.exec(path);
  const token = openenv?.[2] ?? /^Bearer (.+)$/.exec(headers.authorization ?? "")?.[1] ?? "";
  if (!sameToken(token, rules.token)) return refused(401, "expected the token that the server printed when it started");
  if (openenv) return { protocol: "openenv", world: openenv[1] as string };
  return path === "/" ? { protocol: "worldloop" } : refused(404, "expected the path / or /openenv/WORLD/TOKEN/ws");
}

/** @returns what is wrong with the request's Host or Origin, null if nothing */
export function checkNames({ host, origin }: IncomingMessage["headers"], rules: GateRules): string | null {
  if (!rules.hosts.includes((host ?? "").toLowerCase())) {
    return `Host: expected ${rules.hosts.join(", ")}; --allow-host adds one`;
  }
  if (origin !== undefined && !rules.origins.includes(origin)) {
    return "Origin: expected none or an allowed one; --allow-origin adds one";
  }
  return null;
}

/** In constant time; hashed first, because lengths would tell. */
export function sameToken(got: string, expected: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(got), digest(expected));
}
