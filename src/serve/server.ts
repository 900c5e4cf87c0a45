/**
 * The server: one HTTP port that tells its health and takes WebSockets. Who may come in: `gate.ts`. How long a
 * connection lasts: `converse.ts`. What is said: `visit.ts` and `openenv.ts`.
 */
import { randomBytes } from "node:crypto";
import type { Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { AbortedError, BackendError, WorldloopError } from "../errors";
import { THIS_MACHINE } from "../model/this-machine";
import { type Conversation, converse, farewell } from "./converse";
import { admit, checkNames, createGate, type GateRules, refuse } from "./gate";
import { type OfferSettings, openOffers } from "./offer";
import { createOpenEnvVisit } from "./openenv";
import { createRoom, createVisit, findOffer, type Visit } from "./visit";

/** A step of 1,000 worlds, or a context of 14 pictures of 96 x 96, fit. What is longer would take long to refuse. */
const MAX_MESSAGE_BYTES = 1 << 19;
/** Sockets beyond the clients': requests about to be refused, health checks. */
const SPARE_SOCKETS = 64;

export interface ServeSettings {
  /** Names or folders of worlds. */
  readonly worlds: readonly string[];
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Worlds of all clients together. */
  readonly maxSessions: number;
  readonly idleMs: number;
  /** Threads of the engine. */
  readonly threads: number;
  /** Default: onnxruntime. */
  readonly engine?: OfferSettings["engine"] | undefined;
  /** Of our own engine; default: float32. */
  readonly precision?: OfferSettings["precision"] | undefined;
  /** Host headers to accept beside the server's own address, with the port. */
  readonly allowedHosts: readonly string[];
  readonly allowedOrigins: readonly string[];
  /** Told of faults of ours. */
  readonly onFault: (fault: unknown) => void;
}

export interface RunningServer {
  readonly url: string;
  readonly port: number;
  /** Random, new for every start. */
  readonly token: string;
  readonly worlds: readonly string[];
  close(): Promise<void>;
}

/** @throws BackendError when it can't listen there, and all that opening a package throws */
export async function startServer(settings: ServeSettings): Promise<RunningServer> {
  const offers = await openOffers(settings.worlds, settings);
  const room = createRoom(settings.maxSessions);
  const token = randomBytes(24).toString("base64url");
  const http = createGate(settings.maxSessions + SPARE_SOCKETS);
  const { port } = await listen(http, settings.host, settings.port);
  const names = new Set([...THIS_MACHINE, settings.host]);
  const rules: GateRules = {
    token,
    hosts: [...[...names].map((name) => `${name}:${port}`), ...settings.allowedHosts].map((host) => host.toLowerCase()),
    origins: settings.allowedOrigins,
  };
  const sockets = new WebSocketServer({ noServer: true, maxPayload: MAX_MESSAGE_BYTES, perMessageDeflate: false });
  const conversations = new Set<Conversation>();

  http.on("request", ({ headers, method, url }, response) => {
    const foreign = checkNames(headers, rules);
    if (foreign) respond(response, 403, foreign);
    else if (method === "GET" && url === "/health") respond(response, 200, JSON.stringify({ status: "healthy" }));
    else respond(response, 404, "expected a WebSocket, or GET /health");
  });

  http.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy()); // gone before it was let in
    const entry = admit(request, rules);
    if (entry.protocol === "refused") return refuse(socket, entry.status, entry.reason);
    if (sockets.clients.size >= settings.maxSessions)
      return refuse(socket, 503, "expected room for a client, got none");
    try {
      const offer = entry.protocol === "openenv" ? findOffer(offers, entry.world) : null;
      sockets.handleUpgrade(request, socket, head, (client) => {
        receive(client, (left) => (offer ? createOpenEnvVisit(offer, room, left) : createVisit(offers, room, left)));
      });
    } catch (error) {
      if (!(error instanceof WorldloopError)) throw error;
      refuse(socket, 404, error.message);
    }
  });

  function receive(client: WebSocket, begin: (left: AbortSignal) => Visit): void {
    const left = new AbortController();
    client.once("close", () => left.abort(new AbortedError("the client has left")));
    try {
      const visit = begin(left.signal);
      const { idleMs, onFault } = settings;
      const conversation = converse(client, { answer: visit.answer, idleMs, onFault });
      conversations.add(conversation);
      conversation.over.then(() => {
        conversations.delete(conversation);
        visit.end();
      });
    } catch (error) {
      if (!(error instanceof WorldloopError)) throw error;
      farewell(client, 1013, error.message.slice(0, 120)); // no room; a reason has at most 123 bytes
    }
  }

  return {
    url: `ws://${settings.host.includes(":") ? `[${settings.host}]` : settings.host}:${port}`,
    port,
    token,
    worlds: [...offers.keys()],
    async close() {
      const closed = new Promise((resolve) => http.close(resolve)); // nobody comes in any more
      http.closeAllConnections(); // of requests; sockets say goodbye
      for (const { end } of conversations) end(1001, "the server ends");
      await Promise.all([...conversations].map(({ over }) => over)); // no network is closed while it computes
      for (const client of sockets.clients) client.terminate();
      await closed;
      for (const offer of offers.values()) await offer.close();
    },
  };
}

function listen(http: Server, host: string, port: number): Promise<AddressInfo> {
  return new Promise((resolve, reject) => {
    http.once("error", (error) => {
      reject(new BackendError(`expected to listen at ${host}:${port}, got ${error.message}; choose another --port`));
    });
    http.listen(port, host, () => resolve(http.address() as AddressInfo));
  });
}

function respond(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "Content-Type": text.startsWith("{") ? "application/json" : "text/plain" });
  response.end(`${text}\n`);
}
