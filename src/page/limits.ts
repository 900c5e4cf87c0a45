/**
 * A world's honest limits in plain sentences, made from the figures of its evaluation (`metrics.json`,
 * docs/evaluation.md) and from nothing else: the same for every world.
 */
import { z } from "zod/mini";

const metricsSchema = z.object({
  /** Length of a run, frames. */
  frames: z.number().check(z.positive()),
  short: z.optional(z.boolean()),
  drift: z.object({
    /** Frames. */
    window: z.number().check(z.positive()),
    /** Of each run: how long it stayed like the real environment, in whole windows. */
    frames_alive: z.array(z.number().check(z.nonnegative())).check(z.minLength(1)),
  }),
  action_following: z.object({
    /** What can be read of the actions, over what can be read on real frames; with its 95 % interval. Null: unreadable. */
    ratio: z.nullable(z.tuple([z.number(), z.number(), z.number()])),
  }),
});

/** Percentage points. An interval wider than this says more than the mean in it. */
const TOO_WIDE = 60;

/** @param metrics contents of metrics.json; undefined when the world has none. @param frameRate frames a second */
export function limitsOf(metrics: unknown, frameRate: number): string[] {
  if (metrics === undefined) return ["Not judged yet."];
  const parsed = metricsSchema.safeParse(metrics);
  if (!parsed.success) return ["Judged in a way that this page can't read."];
  const { drift, frames, short, action_following } = parsed.data;
  return [
    sayHowLong(drift.frames_alive, { window: drift.window, frames, frameRate }),
    sayHowWell(action_following.ratio),
    ...(short ? [`By a short evaluation: ${drift.frames_alive.length} runs.`] : []),
  ];
}

interface Lengths {
  readonly window: number;
  readonly frames: number;
  readonly frameRate: number;
}

function sayHowLong(alive: readonly number[], { window, frames, frameRate }: Lengths): string {
  const seconds = (count: number) => {
    const value = count / frameRate;
    return `${value < 10 ? Number(value.toFixed(1)) : Math.round(value)} s`;
  };
  const sorted = [...alive].sort((a, b) => a - b);
  const longest = sorted.at(-1) ?? 0;
  const half = sorted[Math.floor(sorted.length / 2)] ?? 0; // so much or more in half of the runs
  const to = longest >= frames ? `all ${seconds(frames)} that were watched` : `${seconds(longest)} or more`;
  if ((sorted[0] ?? 0) >= frames) return `Its dreams stayed like the real environment for ${to}.`;
  if (longest === 0) return `Its dreams part from the real environment within ${seconds(window)}.`;
  if (half === 0) {
    return `Most of its dreams part from the real environment within ${seconds(window)}; the longest held for ${to}.`;
  }
  return `Half of its dreams stay like the real environment for ${seconds(half)} or more; the longest held for ${to}.`;
}

function sayHowWell(ratio: readonly [number, number, number] | null): string {
  if (!ratio) return "How well it follows the controls couldn't be measured.";
  const [mean, low, high] = ratio.map((share) => Math.max(0, Math.round(share * 100))) as [number, number, number];
  if (high - low > TOO_WIDE) {
    return `How well it follows the controls is uncertain: ${low} to ${high} % as clearly as the real environment.`;
  }
  return `It follows the controls ${mean} % as clearly as the real environment (${low} to ${high} %).`;
}
