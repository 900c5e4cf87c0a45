/**
 * `npx tsx bench/roofline.ts [world] > docs/roofline.svg`: each step of a tick of our own engine in Node, by how much it computes
 * for each byte that it reads or writes, below the peaks of the bare product and of copying.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import v8 from "node:v8";
import { compile } from "../src/engine/compile";
import { detectInstructionSet } from "../src/engine/detect";
import { createMachine } from "../src/engine/machine";
import { BYTES, type Step } from "../src/engine/program";
import { findWorld } from "../src/model/node-runtime";
import { measurePeak } from "./peak";

const [WIDTH, HEIGHT, LEFT, BOTTOM] = [720, 420, 60, 50]; // px
const X = [0.25, 256] as const; // operations a byte
const Y = [0.5, 256] as const; // GFLOP/s
const RUNS = 40;

const at = (value: number, [from, to]: readonly [number, number]) => Math.log(value / from) / Math.log(to / from);
const x = (value: number) => LEFT + at(value, X) * (WIDTH - LEFT - 20);
const y = (value: number) => HEIGHT - BOTTOM - at(value, Y) * (HEIGHT - BOTTOM - 20);
const text = (left: number, top: number, words: string, more = "") =>
  `<text x="${left.toFixed(0)}" y="${top.toFixed(0)}" ${more}>${words}</text>`;

const bytesOf = ({ reads, writes }: Step): number =>
  [...new Set([...reads, ...writes])].reduce((sum, { size, kind }) => sum + size * BYTES[kind], 0);

/** Reading and writing 16 MiB each, more than the second-level cache holds, GB/s. */
function measureCopying(): number {
  const [from, to] = [new Float32Array(1 << 22).fill(1), new Float32Array(1 << 22)];
  let best = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) {
    const begin = performance.now();
    to.set(from);
    best = Math.min(best, performance.now() - begin);
  }
  return (from.byteLength + to.byteLength) / best / 1e6;
}

async function main(): Promise<string> {
  if (detectInstructionSet() === "simd") v8.setFlagsFromString("--experimental-wasm-relaxed-simd");
  const set = detectInstructionSet();
  const compiled = compile(readFileSync(join(findWorld(process.argv[2] ?? "car-racing"), "tick.onnx")), set);
  const machine = await createMachine(compiled);
  for (const memory of machine.inputs.values()) memory.fill(1);
  const ms = compiled.steps.map(() => Number.POSITIVE_INFINITY);
  for (let run = 0; run < 2 * RUNS; run++) {
    compiled.steps.forEach((_, step) => {
      const begin = performance.now();
      machine.run(step, step + 1);
      if (run >= RUNS) ms[step] = Math.min(ms[step] as number, performance.now() - begin);
    });
  }
  const peak = await measurePeak(set);
  const products = compiled.steps.flatMap((step, i) => {
    if (!step.executed) return [];
    const gflops = step.executed / (ms[i] as number) / 1e6;
    return [{ step, gflops, asked: step.flops / (ms[i] as number) / 1e6, intensity: step.executed / bytesOf(step) }];
  });
  const bandwidth = measureCopying();
  const knee = peak / bandwidth;
  const marks = products.map(({ step, gflops, asked, intensity }) => {
    const conv = step.label.startsWith("conv");
    const dot = `<circle cx="${x(intensity).toFixed(1)}" cy="${y(gflops).toFixed(1)}" r="4" fill="${conv ? "#c2410c" : "#1d4ed8"}" opacity="0.6"/>`;
    const worth =
      asked > 1.01 * gflops
        ? `<circle cx="${x(intensity).toFixed(1)}" cy="${y(asked).toFixed(1)}" r="3.5" fill="none" stroke="#c2410c"/>`
        : "";
    return dot + worth;
  });
  const roof = `M${x(X[0])},${y(Math.max(Y[0], bandwidth * X[0]))} L${x(knee)},${y(peak)} L${x(X[1])},${y(peak)}`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="white"/>`,
    `<path d="${roof}" fill="none" stroke="#444" stroke-width="2"/>`,
    ...[1, 4, 16, 64, 256].map((v) => text(x(v), HEIGHT - BOTTOM + 18, String(v), 'text-anchor="middle"')),
    ...[1, 4, 16, 64, 256].map((v) => text(LEFT - 8, y(v) + 4, String(v), 'text-anchor="end"')),
    text(WIDTH / 2, HEIGHT - 10, "operations for each byte read or written", 'text-anchor="middle"'),
    text(8, 14, "GFLOP/s"),
    text(x(X[1]), y(peak) - 8, `bare product: ${peak.toFixed(0)} GFLOP/s`, 'text-anchor="end"'),
    text(x(knee) - 14, y(peak) + 40, `copying: ${bandwidth.toFixed(0)} GB/s`, 'text-anchor="end"'),
    text(LEFT + 10, 30, "● products by weights and attention", 'fill="#1d4ed8"'),
    text(LEFT + 10, 46, "● convolutions, as done; ○ as asked for (Winograd)", 'fill="#c2410c"'),
    ...marks,
    "</svg>",
  ].join("\n");
}

main().then(console.log, (error: Error) => {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
});
