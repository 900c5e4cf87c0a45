/** Figures of the last frames, for the HUD and for measurements. Keeps the newest 2,000 of each. */
import type { LoopFrame } from "./game-loop";

const KEPT = 2000; // 80 s at 25 frames a second
const RATE_WINDOW_MS = 2000;

export interface Stats {
  /** Durations of model steps, ms, oldest first. */
  readonly tickMs: number[];
  readonly inputToFrameMs: number[];
  /** The same in ticks of the speed at that time. */
  readonly inputToFrameTicks: number[];
  readonly missed: number;
  /** Frames a second over the last two seconds. */
  readonly fps: number;
}

export function createStats(): { add(made: LoopFrame, period: number): void; read(): Stats } {
  const tickMs: number[] = [];
  const inputToFrameMs: number[] = [];
  const inputToFrameTicks: number[] = [];
  let arrivals: number[] = [];
  let missed = 0;
  return {
    add(made, period) {
      missed = made.missed;
      arrivals = [...arrivals.filter((at) => made.at - at < RATE_WINDOW_MS), made.at];
      if (!made.action) return;
      push(tickMs, made.stepMs);
      if (made.inputToFrameMs === undefined) return;
      push(inputToFrameMs, made.inputToFrameMs);
      push(inputToFrameTicks, made.inputToFrameMs / period);
    },
    read() {
      const span = (arrivals.at(-1) ?? 0) - (arrivals[0] ?? 0);
      const fps = span > 0 ? ((arrivals.length - 1) * 1000) / span : 0;
      return {
        tickMs: [...tickMs],
        inputToFrameMs: [...inputToFrameMs],
        inputToFrameTicks: [...inputToFrameTicks],
        missed,
        fps,
      };
    },
  };
}

function push(values: number[], value: number): void {
  values.push(value);
  if (values.length > KEPT) values.shift();
}

/** The value that a share `p` in [0, 1] of `values` doesn't exceed (nearest rank); NaN when there are none. */
export function percentile(values: readonly number[], p: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(p * sorted.length) - 1)] ?? Number.NaN;
}
