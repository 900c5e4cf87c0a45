/**
 * `npm run --silent bench`: tick times, time to the first frame and input latency of a world on our own engine and on
 * onnxruntime, in headless Chromium and in Node, beside the same run's MatMul speed. A table, then one line of JSON.
 */
import { Command, InvalidArgumentError } from "commander";
import { build } from "vite";
import { detectInstructionSet } from "../src/engine/detect";
import { PRECISIONS, type Precision } from "../src/model/engine-choice";
import { isShippedWorld } from "../src/model/node-runtime";
import { servePage } from "../tests/setup/preview";
import { benchChromium, benchSideBySide } from "./chromium";
import { benchNode } from "./node";
import { type EngineKind, profileOwn } from "./own";
import { printResults, type Result } from "./result";

const MATMUL_PAGE = ".cache/bench";
const MAX_FRAMES = 2000; // the page keeps the times of no more

const whole = (min: number, max: number) => (text: string) => {
  const value = Number(text);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}, got "${text}"`);
};
const shipped = (name: string) => {
  if (isShippedWorld(name)) return name;
  throw new InvalidArgumentError(`expected the name of a folder of assets/worlds, got "${name}"`);
};

/** Some of these names, with commas between them. */
const some =
  <T extends string>(...names: readonly T[]) =>
  (text: string): T[] =>
    text.split(",").map((part) => {
      const name = names.find((candidate) => candidate === part);
      if (name) return name;
      throw new InvalidArgumentError(`expected ${names.join(", ")} or several with commas between them, got "${text}"`);
    });

const options = new Command("bench")
  .option("--engine <names>", "own, ort, or both", some("own", "ort"), ["own", "ort"])
  .option("--precision <names>", "of our own engine: float32, int8, or both", some(...PRECISIONS), ["float32"])
  .option("--world <name>", "a world of assets/worlds", shipped, "car-racing")
  .option("--frames <n>", "ticks to measure", whole(20, MAX_FRAMES), 300)
  .option("--seconds <n>", "after that, hold the frame rate for this long in the browser", whole(0, 3600), 0)
  .parse()
  .opts<{ engine: EngineKind["engine"][]; precision: Precision[]; world: string; frames: number; seconds: number }>();

const tell = (what: string) => console.error(`… ${what}`);
const { world, frames, seconds } = options;
const kinds = options.engine.flatMap((engine): EngineKind[] =>
  engine === "own" ? options.precision.map((precision) => ({ engine, precision })) : [{ engine, precision: "float32" }],
);

async function main(): Promise<{ results: Result[]; sideBySide: Record<string, number> }> {
  tell("building the page");
  await build({ logLevel: "error" });
  await build({
    logLevel: "error",
    build: { outDir: MATMUL_PAGE, emptyOutDir: true, rollupOptions: { input: "bench/matmul.html" } },
  });
  const [page, matmul] = [await servePage(), await servePage(MATMUL_PAGE)];
  try {
    const results: Result[] = [];
    const addresses = { page: page.url, matmul: `${matmul.url}bench/matmul.html` };
    const { gflop } = await profileOwn(world, detectInstructionSet(), "float32");
    for (const kind of kinds) {
      for (const threads of [1, 2]) {
        tell(`Chromium, ${kind.engine}, ${kind.precision}, ${threads} thread${threads > 1 ? "s" : ""}`);
        results.push(await benchChromium({ world, kind, gflop, frames, seconds, threads, ...addresses }));
      }
      tell(`Node, ${kind.engine}, ${kind.precision}`);
      results.push(await benchNode(world, kind, frames));
    }
    tell("Chromium, all engines side by side");
    return { results, sideBySide: await benchSideBySide(addresses.matmul, world) };
  } finally {
    await Promise.all([page.close(), matmul.close()]);
  }
}

main().then(
  ({ results, sideBySide }) => printResults(results, sideBySide),
  (error: Error) => {
    console.error(`error: ${error.message}`);
    process.exitCode = 1;
  },
);
