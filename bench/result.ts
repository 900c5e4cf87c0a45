/** What the bench reports, and how it is printed. The last line of the output is the JSON that tools read. */
import { percentile } from "../src/loop/stats";

export interface Spread {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

export interface Result {
  readonly world: string;
  readonly runtime: "chromium" | "node";
  readonly backend: string;
  readonly threads: number;
  /** Model step as its caller sees it, ms. */
  readonly tickMs: Spread;
  /**
   * To the first generated frame, ms. In Chromium from the start of navigation until it is drawn, with a fresh profile and
   * with one that has been here; in Node from opening the world, first and second time in a process.
   */
  readonly firstFrameMs: { readonly cold: number; readonly warm: number };
  /** Speed of a 64×256×1024 float32 MatMul in the same runtime, in the same run. */
  readonly referenceGflops: number;
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

export function printResults(results: readonly Result[]): void {
  const head = [
    "runtime",
    "tick ms p50",
    "p95",
    "p99",
    "first frame ms cold",
    "warm",
    "input → frame ticks p50",
    "p95",
  ];
  const rows = results.map(({ runtime, backend, threads, tickMs, firstFrameMs, inputToFrame, referenceGflops }) => [
    `${runtime}, ${backend} × ${threads}`,
    ...[tickMs.p50, tickMs.p95, tickMs.p99, firstFrameMs.cold, firstFrameMs.warm].map((ms) => ms.toFixed(1)),
    ...[inputToFrame?.ticks.p50, inputToFrame?.ticks.p95].map((ticks) => ticks?.toFixed(2) ?? "–"),
    referenceGflops.toFixed(1),
  ]);
  const table = [[...head, "MatMul GFLOP/s"], ...rows];
  const widths = table[0]?.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0))) ?? [];
  for (const row of table) {
    console.log(row.map((cell, i) => (i ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0))).join("  "));
  }
  for (const { runtime, backend, threads, held } of results) {
    if (!held) continue;
    const share = (100 * held.inTime).toFixed(1);
    const rate = held.framesPerSecond.toFixed(2);
    console.log(
      `${runtime}, ${backend} × ${threads}: ${rate} frames/s over ${held.seconds} s, ${share} % of ticks in time`,
    );
  }
  console.log(JSON.stringify({ results }));
}
