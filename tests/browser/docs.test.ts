/** The docs' site, if it is built: its pages and the live worlds in them, looked at by axe on screens of every kind. */
import { existsSync } from "node:fs";
import axe from "axe-core";
import type { Frame, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { usePages } from "../setup/pages";
import { servePlainly } from "../setup/preview";

const DIST = "docs/dist";
const pages = usePages();

/** CSS px. */
const SCREENS = [
  { name: "desktop", width: 1280, height: 800, colorScheme: "dark" },
  { name: "phone", width: 390, height: 844, colorScheme: "light" },
  { name: "200 %", width: 640, height: 400, colorScheme: "dark" },
] as const;

const PAGES = [
  ...["index", "tour", "how-it-works", "benchmarks", "package-format", "offline"],
  ...["own-world", "play-record-train", "own-policy", "host"].map((name) => `tutorials/${name}`),
  ...["cli", "manifest", "python", "typescript/index", "typescript/model.world"].map((name) => `reference/${name}`),
  ...["worlds/pong", "decisions/0017-one-lowering-two-machines"],
];

/** What is wrong with what a page shows, in words. @param inside frames to look into, too */
async function faultsOf(page: Page, inside: () => readonly Frame[] = () => []): Promise<string[]> {
  const faults: string[] = [];
  for (const { name, colorScheme, ...size } of SCREENS) {
    await page.setViewportSize(size);
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
    for (const frame of [page.mainFrame(), ...inside()]) {
      await frame.evaluate(axe.source);
      const options: axe.RunOptions = { iframes: false }; // their turn comes
      const { violations } = await frame.evaluate(
        (options) => (window as unknown as { axe: typeof axe }).axe.run(document, options),
        options,
      );
      for (const { id, nodes } of violations) {
        const places = nodes.map(({ target }) => target.join(" "));
        faults.push(`${name}, ${colorScheme}: ${id} at ${places.slice(0, 5).join(", ")} (${places.length})`);
      }
      const isWide = await frame.evaluate(() => document.documentElement.scrollWidth > innerWidth + 1);
      if (isWide) faults.push(`${name}: overflows sideways`);
    }
  }
  return faults;
}

describe.skipIf(!existsSync(DIST))("the docs' site", () => {
  let site: Awaited<ReturnType<typeof servePlainly>>;
  beforeAll(async () => {
    site = await servePlainly(DIST);
  });
  afterAll(() => site.close());

  it.each(PAGES)("%s has nothing that axe finds", async (name) => {
    const page = await pages.visit(`${site.url}${name}.html`);
    await page.locator("h1").waitFor();
    expect(await faultsOf(page)).toEqual([]);
  });

  it("a live world in a page plays there, and has nothing that axe finds", async () => {
    const page = await pages.visit(`${site.url}tour.html`);
    await page.getByRole("button", { name: "Start Push T" }).click();
    const inside = () => page.frames().filter((frame) => frame !== page.mainFrame());
    await expect
      .poll(() => inside()[0]?.evaluate(() => Number(document.body.dataset.tick ?? 0)), {})
      .toBeGreaterThan(5);
    await inside()[0]?.evaluate(() => window.worldloop?.session.loop.pause("Paused."));
    expect(await faultsOf(page, inside)).toEqual([]);
    await page.getByRole("button", { name: "Start Car racing" }).click();
    await page.getByTitle("Car racing, played here").waitFor();
    expect(inside()).toHaveLength(1); // starting one stops the other
  });
});
