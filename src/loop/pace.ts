/**
 * Whether the world keeps its pace here: over a window of seconds, are ticks so slow, or the page so late, that fewer
 * frames come than the world has? One slow tick or a short stall is no verdict.
 */
import type { LoopFrame } from "./game-loop";
import { percentile } from "./stats";

/** ms of steady running that one verdict looks back on; the first ones of a session, in which code is still compiled, don't count. */
const WINDOW_MS = 5000;
const WARM_UP_MS = 2000;
/** A longer silence between two frames is a pause, a hidden page or a sleeping machine: the window begins anew. */
const GAP_PERIODS = 8;
const LEAST_GAP_MS = 1500;
/** Shares of the world's rate below which it doesn't count as kept. */
const KEPT = 0.95;

export interface Verdict {
  /** `network`: 95 of 100 ticks aren't done within their period; `page`: they are, but the page is late in asking for them. */
  readonly slow: "network" | "page";
  /** Durations of a tick, ms. */
  readonly p50: number;
  readonly p95: number;
  /** ms a tick may take. */
  readonly period: number;
  /** Frames a second that came, and that the world has at this speed. */
  readonly fps: number;
  readonly rate: number;
  /** The lowest median of any window of this session, ms: much below `p50`, something has slowed the machine down. */
  readonly best: number;
}

export interface Pace {
  /** Takes a frame; a verdict when the window up to here was too slow. @param period ms, at the speed now */
  add(made: Pick<LoopFrame, "action" | "at" | "stepMs">, period: number): Verdict | undefined;
}

export function createPace(): Pace {
  let ticks: { readonly at: number; readonly stepMs: number }[] = [];
  let last = { at: Number.NEGATIVE_INFINITY, period: 0 };
  let ran = 0; // ms of running so far
  let best = Number.POSITIVE_INFINITY;
  return {
    add({ action, at, stepMs }, period) {
      const gap = at - last.at;
      const isSteady = action !== null && period === last.period && gap < Math.max(LEAST_GAP_MS, GAP_PERIODS * period);
      last = { at, period };
      if (!isSteady) {
        ticks = [];
        return undefined;
      }
      ran += gap;
      if (ran < WARM_UP_MS) return undefined;
      ticks.push({ at, stepMs });
      const span = at - (ticks[0]?.at ?? at);
      if (span < WINDOW_MS) return undefined;
      const times = ticks.map((tick) => tick.stepMs);
      const [p50, p95] = [percentile(times, 0.5), percentile(times, 0.95)];
      const fps = ((ticks.length - 1) * 1000) / span;
      ticks = ticks.filter((tick) => at - tick.at < WINDOW_MS / 2);
      best = Math.min(best, p50);
      const rate = 1000 / period;
      if (fps >= KEPT * rate) return undefined;
      return { slow: p95 > period ? "network" : "page", p50, p95, period, fps, rate, best };
    },
  };
}
