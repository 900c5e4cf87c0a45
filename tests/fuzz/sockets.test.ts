/** A quick sample of `sockets.ts`: whatever clients say, the server answers by name or hangs up, and nobody else notices. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningServer, startServer } from "../../src/serve/server";
import { WORLD } from "../setup/collect";
import { draws } from "./draws";
import { scene, wellBehaved } from "./visitors";

const faults: unknown[] = [];
let server: RunningServer;
beforeAll(async () => {
  server = await startServer({
    ...{ worlds: [WORLD], host: "127.0.0.1", port: 0, maxSessions: 16, idleMs: 60_000, threads: 1, engine: "own" },
    ...{ allowedHosts: [], allowedOrigins: [], onFault: (fault: unknown) => faults.push(fault) },
  });
});
afterAll(() => server.close());

test("of scenes of hostile clients none breaks the server, or a well-behaved client's frames", async () => {
  const before = await wellBehaved(server);
  const seen = new Set<string>();
  for (let index = 0; index < 24; index++) seen.add((await scene(server, draws(7, index))).outcome);
  expect(seen.size).toBeGreaterThan(3);
  expect(await wellBehaved(server)).toBe(before);
  expect(faults).toEqual([]);
}, 120_000); // ms, of a busy machine
