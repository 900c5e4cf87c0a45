/**
 * What runs a package's graphs: our own engine or onnxruntime, as asked for or, for "auto", as measured. Whoever chooses
 * also says why: the reason is part of the backend that the page shows.
 */
import { BackendError, UnsafeGraphError, UnsupportedGraphError, type WorldloopError } from "../errors";
import type { Bytes } from "./bytes";
import type { EngineChoice } from "./engine-choice";
import { createGraphSession, type GraphSession, type Runtime, zeroFeeds } from "./graph-session";
import type { GraphSpec, Manifest } from "./manifest";
import type { WorldPackage } from "./package";
import type { World } from "./world";

export interface Engine {
  /** What computes: read it again after a run, an engine may have had to move. */
  readonly backend: World["backend"];
  /** @throws BackendError, ShapeError, UnsupportedGraphError */
  createSession(bytes: Bytes, spec: GraphSpec): Promise<GraphSession>;
}

export const ortEngine = (runtime: Runtime): Engine => ({
  backend: runtime.backend,
  createSession: (bytes, spec) => createGraphSession(bytes, spec, runtime),
});

export interface EngineSources {
  /** @throws UnsupportedGraphError when this machine can't run it */
  readonly own: () => Promise<Engine>;
  /** Called only when it is needed: in a browser it is 14 MB. */
  readonly ort: () => Promise<Engine>;
}

/** Ticks of silence by which "auto" measures, the first ones left out. */
const WARM_UP = 2;
const MEASURED = 3;

/**
 * "auto" takes our own engine where it covers the package and holds its frame rate on this machine; where it doesn't, the
 * faster of the two, both measured. Measuring happens before the first tick, so that a session stays on one engine.
 * @throws UnsupportedGraphError when our own was asked for and doesn't cover the package; BackendError
 */
export async function chooseEngine(
  choice: EngineChoice,
  opened: WorldPackage,
  sources: EngineSources,
): Promise<Engine> {
  if (choice === "ort") return sources.ort();
  const bytes = await opened.read(opened.manifest.tick.file);
  const prepare = async (engine: Engine) => {
    const session = await engine.createSession(bytes, opened.manifest.tick);
    return { engine, session, ms: choice === "auto" ? await measure(session, opened.manifest) : 0 };
  };
  let own: Awaited<ReturnType<typeof prepare>>;
  try {
    own = await prepare(await sources.own());
  } catch (error) {
    if (choice === "own" || !isRefusal(error)) throw error;
    return because(await sources.ort(), error.message);
  }
  if (own.ms < 1000 / opened.manifest.frameRate) return prepared(own.engine, bytes, own.session, sources);
  const ort = await prepare(await sources.ort());
  const [winner, loser] = own.ms <= ort.ms ? [own, ort] : [ort, own];
  await loser.session.close();
  const times = `${winner.ms.toFixed(0)} ms a tick, ${loser.engine.backend.name} ${loser.ms.toFixed(0)} ms`;
  return because(prepared(winner.engine, bytes, winner.session, sources), times);
}

/** What our own engine says of a graph or a machine that isn't for it; onnxruntime may see it otherwise. */
export const isRefusal = (error: unknown): error is WorldloopError =>
  error instanceof UnsupportedGraphError || error instanceof UnsafeGraphError || error instanceof BackendError;

/** Hands out the tick's session that is there already; other graphs that our own engine doesn't cover go to onnxruntime. */
function prepared(engine: Engine, tick: Bytes, session: GraphSession, sources: EngineSources): Engine {
  return {
    get backend() {
      return engine.backend;
    },
    async createSession(bytes, spec) {
      if (bytes === tick) return session;
      try {
        return await engine.createSession(bytes, spec);
      } catch (error) {
        if (!isRefusal(error)) throw error;
        return (await sources.ort()).createSession(bytes, spec);
      }
    },
  };
}

/** The same engine, which says why it was taken. */
export const because = (engine: Engine, reason: string): Engine => ({
  get backend() {
    return { ...engine.backend, detail: [engine.backend.detail, reason].filter(Boolean).join("; ") };
  },
  createSession: engine.createSession,
});

/** Shortest time of a tick on zeros, ms. */
async function measure(session: GraphSession, { tick }: Manifest): Promise<number> {
  const feeds = zeroFeeds(tick);
  const times: number[] = [];
  for (let tick = 0; tick < WARM_UP + MEASURED; tick++) {
    const begin = performance.now();
    await session.run(feeds);
    if (tick >= WARM_UP) times.push(performance.now() - begin);
  }
  return Math.min(...times);
}
