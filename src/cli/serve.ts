/** `worldloop serve`: worlds for other programs on this machine, until Ctrl-C. */
import { once } from "node:events";
import { UnknownWorldError } from "../errors";
import { listWorlds } from "../model/node-runtime";
import { startServer } from "../serve/server";
import { parseEngine, parsePrecision, parseWhole } from "./input";
import type { Terminal } from "./program";

/** As typed. */
export interface ServeOptions {
  readonly world?: readonly string[];
  readonly host: string;
  readonly port: string;
  readonly maxSessions: string;
  readonly idle: string;
  readonly engine: string;
  readonly precision: string;
  readonly threads: string;
  readonly allowHost?: readonly string[];
  readonly allowOrigin?: readonly string[];
}

const SECONDS_A_DAY = 86_400;

/** @throws a named error when it can't start */
export async function serve(options: ServeOptions, { out, error, signal }: Terminal): Promise<void> {
  const worlds = options.world ?? listWorlds();
  if (worlds.length === 0) throw new UnknownWorldError("--world: expected a world to serve, got none in assets/worlds");
  const engine = parseEngine(options.engine);
  const server = await startServer({
    worlds,
    host: options.host,
    port: parseWhole("--port", options.port, 0, 65_535),
    maxSessions: parseWhole("--max-sessions", options.maxSessions, 1, 10_000),
    idleMs: 1000 * parseWhole("--idle", options.idle, 1, SECONDS_A_DAY),
    engine,
    precision: parsePrecision(options.precision, engine),
    threads: parseWhole("--threads", options.threads, 1, 64),
    allowedHosts: options.allowHost ?? [],
    allowedOrigins: options.allowOrigin ?? [],
    onFault: (fault) => error(`${fault instanceof Error ? fault.stack : fault}\n`),
  });
  out(`serving ${server.worlds.join(", ")} at ${server.url}\n`);
  out(`token (of this start only): ${server.token}\n`);
  out(`for OpenEnv: ${server.worlds.map((world) => `${server.url}/openenv/${world}/${server.token}`).join(" ")}\n`);
  if (!signal.aborted) await once(signal, "abort");
  await server.close();
}
