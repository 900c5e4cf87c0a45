/**
 * `node src/cli/start.mjs bench/first-bytes.ts [FOLDER]`: what a browser that was never here fetches until each world's
 * first dreamed frame is drawn, and how long that takes. On our own engine: where it is too slow the page fetches
 * onnxruntime, 14.3 MB, and takes the faster. @param FOLDER the built page, dist unless told
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Request } from "playwright-core";
import { launchBrowser } from "../tests/setup/browser";
import { servePage } from "../tests/setup/preview";

interface Row {
  readonly world: string;
  readonly files: number;
  /** Bytes over the wire, headers included: of all files, and of those of the world's package. */
  readonly bytes: number;
  readonly package: number;
  /** From the start of navigation. */
  readonly firstFrameMs: number;
}

/** Without a cache: a fresh profile, and no service worker. */
async function measure(base: string, world: string): Promise<Row> {
  const browser = await launchBrowser({ graphics: "own" });
  try {
    const page = await browser.newPage();
    const requests: Request[] = []; // the model's worker's, too
    page.on("requestfinished", (request) => requests.push(request));
    await page.goto(`${base}?engine=own#world=${world}&seed=1&start=0`);
    const drawn = await page.waitForFunction(() => performance.getEntriesByName("worldloop:first-frame")[0]?.startTime);
    const firstFrameMs = (await drawn.jsonValue()) ?? Number.NaN;
    const until = firstFrameMs + (await page.evaluate(() => performance.timeOrigin));
    const before = requests.filter((request) => {
      const { startTime, responseEnd } = request.timing();
      return startTime + responseEnd <= until;
    });
    const sizes = await Promise.all(
      before.map(async (request) => {
        const { responseHeadersSize, responseBodySize } = await request.sizes();
        return { bytes: responseHeadersSize + responseBodySize, isPackage: request.url().includes(`/${world}/`) };
      }),
    );
    const sum = (all: typeof sizes) => all.reduce((total, { bytes }) => total + bytes, 0);
    return {
      world,
      files: sizes.length,
      bytes: sum(sizes),
      package: sum(sizes.filter(({ isPackage }) => isPackage)),
      firstFrameMs: Math.round(firstFrameMs),
    };
  } finally {
    await browser.close();
  }
}

async function main(folder: string): Promise<void> {
  const worlds = readdirSync(join(folder, "worlds")).filter((name) =>
    existsSync(join(folder, "worlds", name, "world.json")),
  );
  const { url, close } = await servePage(folder);
  const rows: Row[] = [];
  for (const world of worlds) {
    rows.push(await measure(url, world));
    console.error(`… ${JSON.stringify(rows.at(-1))}`);
  }
  await close();
  console.table(rows);
  console.log(JSON.stringify(rows));
}

await main(process.argv[2] ?? "dist");
