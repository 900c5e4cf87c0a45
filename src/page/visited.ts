/** What this machine remembers of the worlds that were played on it: which ones, the last first, and how fast they ran. */
import { take, throttleTime } from "rxjs";
import { z } from "zod/mini";
import { percentile } from "../loop/stats";
import type { Manifest } from "../model/manifest";
import type { Session } from "./session";
import { keep, recall } from "./settings";

/** Tick times of the last time that a world was played here. */
const speedSchema = z.object({
  /** ms. */
  p50: z.number().check(z.positive()),
  p95: z.number().check(z.positive()),
  /** What computed: "own", 1 thread. */
  engine: z.string(),
  threads: z.int().check(z.positive()),
  /** sha256 of the graph that was run: another one has another speed. */
  graph: z.string(),
});
export type Speed = z.infer<typeof speedSchema>;

const EVERY_MS = 5000; // a page that is closed has lost no more than this
const FEWEST_TICKS = 50; // before that the engine is still warming up
const MOST_NAMES = 200;

/** Names of worlds, the last played first. */
export function lastPlayed(): string[] {
  const kept = z.array(z.string()).safeParse(recall("played"));
  return kept.success ? kept.data : [];
}

/** How fast this very network ran here; undefined when it wasn't played, or not for long enough. */
export function speedOf(name: string, manifest: Manifest): Speed | undefined {
  const kept = speedSchema.safeParse(recall(`speed:${name}`));
  return kept.success && kept.data.graph === graphOf(manifest) ? kept.data : undefined;
}

/** Remembers that a world is played, and while it is, how fast. @param name as links call it */
export function rememberVisit({ loop, signal, stats, world }: Session, name: string): void {
  const graph = graphOf(world.manifest);
  const remember = () => {
    const { tickMs } = stats();
    if (tickMs.length < FEWEST_TICKS) return;
    const rank = (p: number) => Number(percentile(tickMs, p).toFixed(1));
    const { name: engine, threads } = world.backend;
    keep(`speed:${name}`, { p50: rank(0.5), p95: rank(0.95), engine, threads, graph } satisfies Speed);
  };
  loop.frames.pipe(take(1)).subscribe(() => {
    keep("played", [name, ...lastPlayed().filter((other) => other !== name)].slice(0, MOST_NAMES));
  });
  loop.frames.pipe(throttleTime(EVERY_MS)).subscribe(remember);
  signal.addEventListener("abort", remember);
}

const graphOf = ({ tick, files }: Manifest): string => files[tick.file]?.sha256 ?? "";
