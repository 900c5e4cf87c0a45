/** What the bench reports, and how it is printed. The last line of the output is the JSON that tools read. */
import { percentile } from "../src/loop/stats";
import type { Precision } from "../src/model/engine-choice";

export interface Spread {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface Result {
  readonly world: string;
  readonly runtime: "chromium" | "node";
  readonly engine: "own" | "ort";
  readonly backend: string;
  readonly threads: number;
  readonly precision: Precision;
  /** Instruction set of our own engine. */
  readonly simd?: string;
  /** Model step as its caller sees it, ms. */
  readonly tickMs: Spread;
  /**
   * To the first generated frame, ms. In Chromium from the start of navigation until it is drawn, with a fresh profile and
   * with one that has been here; in Node from opening the world, first and second time in a process.
   */
  readonly firstFrameMs: { readonly cold: number; readonly warm: number };
  /** Speed of a bare matrix product on the same engine, in the same run: `matmul.ts` and `peak.ts`. */
  readonly referenceGflops: number;
  /** The tick's products over its median time, as a share of that: those that the graph asks for, those that are done. */
  readonly shareOfPeak: { readonly asked: number; readonly executed: number };
  /** Of our own engine in Node, ms. */
  readonly phases?: Readonly<Record<string, number>>;
  /** From a key event to the first frame conditioned on it. */
  readonly inputToFrame?: { readonly ticks: Spread; readonly ms: Spread };
  /** Held for a time: frames a second, and the share of ticks that had their frame in time. */
  readonly held?: { readonly seconds: number; readonly framesPerSecond: number; readonly inTime: number };
}

export function spread(values: readonly number[]): Spread {
  const at = (p: number) => round(percentile(values, p));
  return { p50: at(0.5), p95: at(0.95), p99: at(0.99) };
}

/** Two decimals: nothing here is measured more exactly. */
export const round = (value: number): number => Math.round(value * 100) / 100;

const nameOf = ({
  runtime,
  backend,
  threads,
  ...of
}: Pick<Result, "runtime" | "backend" | "threads" | "simd" | "precision">) =>
  `${runtime}, ${backend} × ${threads}, ${of.precision}${of.simd ? ` (${of.simd})` : ""}`;

/** @param sideBySide ms of a tick by engine, taken in turns */
export function printResults(results: readonly Result[], sideBySide: Readonly<Record<string, number>>): void {
  const head = [
    "runtime",
    "tick ms p50",
    "p95",
    "p99",
    "first frame ms cold",
    "warm",
    "input → frame ticks p50",
    "p95",
    "MatMul GFLOP/s",
    "share of it",
  ];
  const rows = results.map(({ tickMs, firstFrameMs, inputToFrame, referenceGflops, shareOfPeak, ...result }) => [
    nameOf(result),
    ...[tickMs.p50, tickMs.p95, tickMs.p99, firstFrameMs.cold, firstFrameMs.warm].map((ms) => ms.toFixed(1)),
    ...[inputToFrame?.ticks.p50, inputToFrame?.ticks.p95].map((ticks) => ticks?.toFixed(2) ?? "–"),
    referenceGflops.toFixed(1),
    `${(100 * shareOfPeak.asked).toFixed(0)} %`,
  ]);
  const table = [head, ...rows];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of table) {
    console.log(row.map((cell, i) => (i ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0))).join("  "));
  }
  for (const { phases, ...result } of results) {
    if (!phases) continue;
    const times = Object.entries(phases).sort(([, a], [, b]) => b - a);
    console.log(`${nameOf(result)}: ${times.map(([phase, ms]) => `${phase} ${ms.toFixed(2)}`).join(", ")} ms`);
  }
  for (const { held, ...result } of results) {
    if (!held) continue;
    const share = (100 * held.inTime).toFixed(1);
    const rate = held.framesPerSecond.toFixed(2);
    console.log(`${nameOf(result)}: ${rate} frames/s over ${held.seconds} s, ${share} % of ticks in time`);
  }
  const times = Object.entries(sideBySide);
  const slowest = Math.max(...times.map(([, ms]) => ms));
  const turns = times.map(([name, ms]) => `${name} ${ms.toFixed(1)} ms (${(slowest / ms).toFixed(1)} ×)`);
  console.log(`In turns, Chromium, one thread: ${turns.join(", ")}`);
  console.log(JSON.stringify({ results, sideBySide }));
}
