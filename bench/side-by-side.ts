/**
 * All engines on the same ticks, a few of each in turn, over and over, in one worker: on a machine that others use too, what
 * counts is the ratio of times that were taken within the same second.
 */
import { ortEngine } from "../src/model/engine";
import { type GraphSession, zeroFeeds } from "../src/model/graph-session";
import { httpSource } from "../src/model/http-source";
import { ownEngine } from "../src/model/own-engine";
import { openPackage } from "../src/model/package";
import { loadWebRuntime } from "../src/model/web-runtime";

const WARM_UP = 5; // rounds
const ROUNDS = 25;
const TURN = 8; // ticks of each engine in a round; the first two bring its weights back into the cache

/** Median ms of a tick on one thread, by engine and precision. */
export async function measureSideBySide(url: string): Promise<Record<string, number>> {
  const { manifest, read } = await openPackage(httpSource(url), { start: 0 });
  const bytes = await read(manifest.tick.file);
  const engines = {
    "own float32": ownEngine(),
    "own int8": ownEngine({ precision: "int8" }),
    "onnxruntime-web float32": ortEngine(await loadWebRuntime({ backend: "wasm", threads: 1 })),
  };
  const sessions: [name: string, session: GraphSession, times: number[]][] = [];
  for (const [name, engine] of Object.entries(engines)) {
    sessions.push([name, await engine.createSession(bytes, manifest.tick), []]);
  }
  const feeds = zeroFeeds(manifest.tick);
  for (const [name, data] of Object.entries(feeds)) {
    feeds[name] = data.map((_, i) => (data instanceof Float32Array ? Math.sin(i) : i));
  }
  for (let round = 0; round < WARM_UP + ROUNDS; round++) {
    for (const [, session, times] of sessions) {
      for (let tick = 0; tick < TURN; tick++) {
        const begin = performance.now();
        await session.run(feeds);
        if (round >= WARM_UP && tick >= 2) times.push(performance.now() - begin);
      }
    }
  }
  for (const [, session] of sessions) await session.close();
  const median = (times: number[]) => times.sort((a, b) => a - b)[Math.floor(times.length / 2)] as number;
  return Object.fromEntries(sessions.map(([name, , times]) => [name, median(times)]));
}
