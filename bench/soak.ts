/**
 * `node src/cli/start.mjs bench/soak.ts`: plays a world for very long, as fast as it goes, in the built page and in Node,
 * and tells whether memory grows: samples of it, and the slope over the last third, when all budgets are full.
 */
import { readdirSync, readFileSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { Command, Option } from "commander";
import type { CDPSession, Page } from "playwright-core";
import { openWorldNode } from "../src/model/node-runtime";
import { launchBrowser } from "../tests/setup/browser";
import { servePage } from "../tests/setup/preview";
import { slopeOf } from "./slope";

/** Of one moment, after a collection of garbage. */
interface Sample {
  readonly tick: number;
  /** Bytes of JavaScript's heap: the page's, or the process's. */
  readonly heap: number;
  /** Bytes that the process holds: of the browser, of the one that draws the page and runs its worker. */
  readonly total: number;
}

const SAMPLES = 60;
/** Hz. The most that a manifest may say: the loop then never waits. */
const UNTHROTTLED = 1000;

const {
  world,
  ticks,
  runtime,
  precision,
  page: folder,
} = new Command("soak")
  .option("--world <name>", "a world of assets/worlds", "push-t")
  .option("--page <folder>", "the built page", "dist")
  .option("--ticks <n>", "how many", Number, 100_000)
  .addOption(new Option("--runtime <name>", "where").choices(["chromium", "node"]).default("chromium"))
  .addOption(new Option("--precision <name>", "of our own engine").choices(["float32", "int8"]).default("float32"))
  .parse()
  .opts<{ world: string; page: string; ticks: number; runtime: "chromium" | "node"; precision: "float32" | "int8" }>();

function report(samples: readonly Sample[], more: object): void {
  const late = samples.filter(({ tick }) => tick >= (2 * ticks) / 3);
  const slopes = (["heap", "total"] as const).map((what) => {
    const { slope, error } = slopeOf(late.map((sample) => [sample.tick, sample[what]] as const));
    return [what, { bytesPerTick: slope, error }] as const;
  });
  console.log(
    JSON.stringify({ world, ticks, runtime, precision, ...more, slopes: Object.fromEntries(slopes), samples }),
  );
}

function tell(sample: Sample): Sample {
  const [heap, total] = [sample.heap, sample.total].map((bytes) => (bytes / 1e6).toFixed(1));
  console.error(`… tick ${sample.tick}: heap ${heap} MB, process ${total} MB`);
  return sample;
}

async function inNode(): Promise<void> {
  setFlagsFromString("--expose-gc");
  const collect: () => void = runInNewContext("gc");
  const opened = await openWorldNode(world, { engine: "own", precision, threads: 1 });
  const { actions } = opened.world.manifest;
  await opened.world.reset({ seed: 1 });
  const samples: Sample[] = [];
  for (let tick = 1; tick <= ticks; tick++) {
    const share = 0.5 + 0.5 * Math.sin(tick / 10); // a slow weave through the range of every action
    await opened.world.step(Float32Array.from(actions, ({ min, max }) => min + share * (max - min)));
    if (tick % Math.ceil(ticks / SAMPLES) !== 0) continue;
    collect();
    const { heapUsed, rss } = process.memoryUsage();
    samples.push(tell({ tick, heap: heapUsed, total: rss }));
  }
  await opened.world.close();
  report(samples, {});
}

async function inChromium(): Promise<void> {
  const server = await servePage(folder);
  const browser = await launchBrowser();
  try {
    const page = await browser.newPage();
    await page.setViewportSize({ width: 480, height: 480 }); // graphics on the CPU shall not take it from the network
    await page.route(`**/worlds/${world}/world.json*`, async (route) => {
      if (route.request().method() !== "GET") return route.continue(); // it asks whether there is a newer one
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), frameRate: UNTHROTTLED } });
    });
    await page.goto(`${server.url}?engine=own&precision=${precision}#world=${world}`);
    await page.waitForFunction(() => document.body.dataset.worldloopState === "running");
    const session = await browser.newCDPSession(page);
    await session.send("Performance.enable");
    const pid = findRenderer();
    const samples: Sample[] = [];
    const begin = performance.now();
    for (let i = 1; i <= SAMPLES; i++) {
      await passes(page, Math.floor((i * ticks) / SAMPLES));
      samples.push(tell(await sample(page, session, pid)));
    }
    report(samples, { seconds: Math.round((performance.now() - begin) / 1000) });
  } finally {
    await browser.close();
    await server.close();
  }
}

/** Steers a little meanwhile, so that frames differ and input is read. */
async function passes(page: Page, tick: number): Promise<void> {
  for (let i = 0; ; i++) {
    const now = await page.evaluate(() => [document.body.dataset.tick, document.body.dataset.worldloopState] as const);
    if (Number(now[0]) >= tick) return;
    if (now[1] !== "running") throw new Error(`The page is ${now[1]} at tick ${now[0]}.`);
    const key = ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"][i % 4] as string;
    await page.keyboard.down(key);
    await page.waitForTimeout(500);
    await page.keyboard.up(key);
  }
}

async function sample(page: Page, session: CDPSession, pid: number): Promise<Sample> {
  await session.send("HeapProfiler.collectGarbage");
  const { metrics } = await session.send("Performance.getMetrics");
  const heap = metrics.find(({ name }) => name === "JSHeapUsedSize")?.value ?? Number.NaN;
  const tick = await page.evaluate(() => Number(document.body.dataset.tick));
  return { tick, heap, total: residentBytes(pid) };
}

/** Of all processes that this one has started and that draw pages, the one that holds most: it has the world in it. */
function findRenderer(): number {
  const read = (pid: number, file: string) => {
    try {
      return readFileSync(`/proc/${pid}/${file}`, "utf8");
    } catch {
      return ""; // it has ended meanwhile
    }
  };
  const parent = (pid: number) => Number(/^PPid:\s+(\d+)/m.exec(read(pid, "status"))?.[1] ?? 0);
  const isOurs = (pid: number): boolean => pid === process.pid || (pid > 1 && isOurs(parent(pid)));
  const pids = readdirSync("/proc")
    .map(Number)
    .filter((pid) => pid > 0);
  const renderers = pids.filter((pid) => read(pid, "cmdline").includes("--type=renderer") && isOurs(pid));
  return renderers.sort((a, b) => residentBytes(b) - residentBytes(a))[0] ?? Number.NaN;
}

/** Linux. */
const residentBytes = (pid: number): number =>
  1024 * Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);

await (runtime === "node" ? inNode() : inChromium());
