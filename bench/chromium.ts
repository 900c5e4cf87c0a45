/**
 * The built page in a headless Chromium, served as `npm start` serves it, with a key pressed and let go all the
 * while. Its graphics are what Chromium chooses here: WebGL forced onto a CPU would take a core from the model.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { percentile } from "../src/loop/stats";
import { launchBrowser } from "../tests/setup/browser";
import { shareOfPeak } from "./node";
import type { EngineKind, Profile } from "./own";
import { type Result, round, spread } from "./result";

const WARM_UP = 50; // ticks: the WASM engine has optimised its code by then, and the KV window is full
const STARTS = 3; // first-frame times are medians of this many
const KEY_MS = 130; // a key goes down or up this often; no multiple of a tick

export interface ChromiumBench {
  readonly world: string;
  /** Addresses of the built page and of the yardstick's page. */
  readonly page: string;
  readonly matmul: string;
  readonly kind: EngineKind;
  readonly threads: number;
  /** Products of one tick. */
  readonly gflop: Profile["gflop"];
  /** Ticks to measure, at most 2,000: the page keeps no more. */
  readonly frames: number;
  /** Length of the hold test, s; 0: none. */
  readonly seconds: number;
}

export async function benchChromium(options: ChromiumBench): Promise<Result> {
  const { world, threads, frames, seconds } = options;
  const { engine, precision } = options.kind;
  const address = `${options.page}?engine=${engine}&precision=${precision}&backend=wasm&threads=${threads}#world=${world}&seed=1&start=0`;
  const cold: number[] = [];
  const warm: number[] = [];
  for (let i = 1; i < STARTS; i++) {
    await withProfile(async (open) => {
      cold.push(await firstFrame(await open(address)));
    });
  }
  return withProfile(async (open) => {
    let page = await open(address);
    cold.push(await firstFrame(page));
    const played = await play(page, frames, seconds);
    for (let i = 0; i < STARTS; i++) {
      await page.close();
      page = await open(address);
      warm.push(await firstFrame(page));
    }
    await page.close();
    const referencePage = await open(options.matmul);
    await referencePage.waitForFunction(() => "measureGflops" in window);
    const measured = await referencePage.evaluate(({ engine, threads }) => window.measureGflops(engine, threads), {
      engine,
      threads,
    });
    return {
      world,
      runtime: "chromium",
      engine,
      precision,
      ...(measured.simd ? { simd: measured.simd } : {}),
      ...played,
      firstFrameMs: { cold: round(percentile(cold, 0.5)), warm: round(percentile(warm, 0.5)) },
      referenceGflops: round(measured.gflops),
      shareOfPeak: shareOfPeak(options.gflop, played.tickMs.p50, measured.gflops),
    };
  });
}

/** All engines tick by tick: see `side-by-side.ts`. @param matmul address of the yardstick's page, which serves the worlds */
export const benchSideBySide = (matmul: string, world: string): Promise<Record<string, number>> =>
  withProfile(async (open) => {
    const page = await open(matmul);
    await page.waitForFunction(() => "measureSideBySide" in window);
    const url = new URL(`/worlds/${world}/`, matmul).href;
    const times = await page.evaluate((url) => window.measureSideBySide(url), url);
    return Object.fromEntries(Object.entries(times).map(([name, ms]) => [name, round(ms)]));
  });

/** Runs a browser with a profile that nobody has used, and removes both. */
async function withProfile<T>(use: (open: (address: string) => Promise<Page>) => Promise<T>): Promise<T> {
  const profile = mkdtempSync(join(tmpdir(), "worldloop-bench-"));
  const browser = await launchBrowser({ profile, graphics: "own" });
  try {
    return await use(async (address) => {
      const page = await browser.newPage();
      await page.goto(address);
      return page;
    });
  } finally {
    await browser.close();
    rmSync(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
  }
}

/** ms from the start of navigation to the first generated frame. @throws Error with what the page says instead */
async function firstFrame(page: Page): Promise<number> {
  const outcome = await page.waitForFunction(() => {
    if (document.body.dataset.worldloopState === "error") return document.getElementById("alert")?.textContent ?? "";
    return performance.getEntriesByName("worldloop:first-frame")[0]?.startTime;
  });
  const value = await outcome.jsonValue();
  if (typeof value !== "number") throw new Error(`The page shows an error: ${value}`);
  return value;
}

async function play(page: Page, frames: number, seconds: number) {
  const reachesTick = (tick: number) =>
    page.waitForFunction((tick) => Number(document.body.dataset.tick) >= tick, tick, { timeout: 0 });
  await reachesTick(WARM_UP);
  const keys = pressKeys(page);
  await reachesTick(WARM_UP + frames);
  const { stats, backend } = await page.evaluate(() => {
    if (!window.worldloop) throw new Error("The page has no world.");
    return { stats: window.worldloop.stats(), backend: window.worldloop.world.backend };
  });
  const held = seconds > 0 ? await hold(page, seconds) : undefined;
  await keys.stop();
  return {
    backend: backend.name,
    threads: backend.threads,
    tickMs: spread(stats.tickMs.slice(-frames)),
    inputToFrame: { ticks: spread(stats.inputToFrameTicks), ms: spread(stats.inputToFrameMs) },
    ...(held ? { held } : {}),
  };
}

/** Presses the world's first key over and over, as a person's events come: at no fixed place within a tick. */
function pressKeys(page: Page): { stop(): Promise<void> } {
  let going = true;
  const done = (async () => {
    const key = await page.evaluate(() => Object.keys(window.worldloop?.world.manifest.actions[0]?.keys ?? {})[0]);
    if (!key) return;
    while (going) {
      await page.keyboard.down(key);
      await page.waitForTimeout(KEY_MS);
      await page.keyboard.up(key);
      await page.waitForTimeout(KEY_MS);
    }
  })();
  return {
    stop() {
      going = false;
      return done;
    },
  };
}

async function hold(page: Page, seconds: number) {
  const read = () =>
    page.evaluate(() => ({
      ms: performance.now(),
      tick: window.worldloop?.frame()?.tick ?? 0,
      missed: window.worldloop?.stats().missed ?? 0,
    }));
  const begin = await read();
  await page.waitForTimeout(seconds * 1000);
  const end = await read();
  const ticks = end.tick - begin.tick;
  const missed = end.missed - begin.missed;
  return {
    seconds,
    framesPerSecond: round((ticks * 1000) / (end.ms - begin.ms)),
    inTime: Math.round((10_000 * ticks) / (ticks + missed)) / 10_000,
  };
}
