/**
 * `node src/cli/start.mjs bench/same-frames.ts`: whether our own engine shows the same frames on any number of threads, in a
 * worker of Chromium and in Node. One line of JSON for each, with the hash of all its frames; another exit status than 0 when
 * they differ.
 */
import { Command, Option } from "commander";
import { build } from "vite";
import { PRECISIONS, type Precision } from "../src/model/engine-choice";
import { openWorldNode } from "../src/model/node-runtime";
import { launchBrowser } from "../tests/setup/browser";
import { servePage } from "../tests/setup/preview";
import { type Chain, chainOf } from "./frame-chain";

const PAGE = ".cache/same-frames";

const {
  world,
  ticks,
  precision,
  threads: counts,
} = new Command("same-frames")
  .option("--world <name>", "a world of assets/worlds", "pong")
  .option("--ticks <n>", "how many", Number, 10_000)
  .addOption(new Option("--precision <name>", "how it multiplies").choices(PRECISIONS).default("float32"))
  .option(
    "--threads <numbers>",
    "of threads, with commas between them",
    (text) => text.split(",").map(Number),
    [1, 2, 4],
  )
  .parse()
  .opts<{ world: string; ticks: number; precision: Precision; threads: number[] }>();

const found = new Set<string>();
function tell(runtime: string, chain: Chain): void {
  found.add(chain.sha256);
  console.log(JSON.stringify({ world, ticks, runtime, ...chain }));
}

async function main(): Promise<void> {
  const rollupOptions = { input: "bench/matmul.html" };
  await build({ logLevel: "error", build: { outDir: PAGE, emptyOutDir: true, rollupOptions } });
  const server = await servePage(PAGE);
  const browser = await launchBrowser({ graphics: "own" });
  try {
    const page = await browser.newPage();
    page.setDefaultTimeout(0);
    await page.goto(`${server.url}bench/matmul.html`);
    await page.waitForFunction(() => "chainFrames" in window);
    const url = new URL(`/worlds/${world}/`, server.url).href;
    for (const threads of counts) {
      const { world: opened } = await openWorldNode(world, { engine: "own", precision, threads });
      tell("node", await chainOf(opened, ticks));
      await opened.close();
      tell("chromium", await page.evaluate((how) => window.chainFrames(how), { url, ticks, precision, threads }));
    }
  } finally {
    await browser.close();
    await server.close();
  }
  if (found.size > 1) throw new Error(`expected the same frames everywhere, got ${found.size} different ones`);
}

main().catch((error: Error) => {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
});
