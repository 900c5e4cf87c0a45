/** Every view of the built page, looked at by axe in dark and light, and measured on screens of every kind. */
import axe from "axe-core";
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { usePages } from "../setup/pages";

const pages = usePages();

/** CSS px. axe looks where a scheme is named: what it finds hangs on colours and on what is shown, hardly on the width. */
const SCREENS: readonly { width: number; height: number; colorScheme?: "dark" | "light" }[] = [
  { width: 1280, height: 800, colorScheme: "dark" },
  { width: 390, height: 844, colorScheme: "light" },
  { width: 1000, height: 700 },
  { width: 920, height: 700 },
  { width: 320, height: 480 },
  { width: 280, height: 653 },
  { width: 240, height: 432 },
  { width: 667, height: 375 },
  { width: 640, height: 400 }, // 1280 × 800 at 200 %
];

/** What is wrong with what the page shows, in words. */
async function faultsOf(page: Page, view: string): Promise<string[]> {
  const faults: string[] = [];
  for (const { width, height, colorScheme } of SCREENS) {
    await page.setViewportSize({ width, height });
    const wide = await page.evaluate(() => {
      const parts = [document.documentElement, ...document.querySelectorAll("dialog[open], .notice")];
      return parts.filter((part) => part.scrollWidth > part.clientWidth + 1).map(({ tagName }) => tagName);
    });
    faults.push(...wide.map((part) => `${view}, ${width} × ${height}: ${part} overflows sideways`));
    const astray = await page.evaluate(() => {
      const shown = [...document.querySelectorAll("header :is(a, button, input)")].filter((part) =>
        part.checkVisibility(),
      );
      const places = shown.map((part) => ({ id: part.id, ...part.getBoundingClientRect().toJSON() }));
      return places.flatMap(({ id, left, top, bottom }, i) => {
        const before = places[i - 1];
        if (before && top < before.bottom && left < before.left) {
          return [`#${id} is seen before what the Tab key reaches first`];
        }
        const isAlone = places.every((other) => other.id === id || other.bottom <= top || other.top >= bottom);
        return isAlone && places.length > 1 && innerWidth >= 280 ? [`#${id} is alone in its row`] : [];
      });
    });
    faults.push(...astray.map((fault) => `${view}, ${width} × ${height}: ${fault}`));
    if (!colorScheme) continue;
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" }); // or a colour is measured on its way to another
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() => (window as unknown as { axe: typeof axe }).axe.run());
    for (const { id, nodes } of violations) {
      faults.push(`${view}, ${colorScheme}: ${id} at ${nodes.map(({ target }) => target.join(" ")).join(", ")}`);
    }
  }
  return faults;
}

const isState = (page: Page, state: string) => page.waitForSelector(`[data-worldloop-state="${state}"]`);

async function chooseFile(page: Page, name: string, content: string): Promise<void> {
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.locator("#open-file").click()]);
  await chooser.setFiles({ name, mimeType: "", buffer: Buffer.from(content) });
}

it("the gallery, a file that it can't open, and a list of worlds that is missing", async () => {
  const page = await pages.open("");
  await page.waitForFunction(() => document.querySelectorAll(".card dd").length > 12);
  const faults = await faultsOf(page, "gallery");
  await page.setViewportSize({ width: 1280, height: 800 });
  await chooseFile(page, "strange.xyz", "?");
  await page.getByRole("dialog").getByText("Expected a world").waitFor();
  faults.push(...(await faultsOf(page, "refusal")));
  const without = await pages.open("", (page) =>
    page.route("**/worlds/index.json", (route) => route.fulfill({ status: 404 })),
  );
  await without.getByRole("alert").waitFor();
  faults.push(...(await faultsOf(without, "no list")));
  expect(faults).toEqual([]);
});

it("a world: first help, standing still, every sheet, full screen, a dead worker", async () => {
  const page = await pages.open("#world=push-t");
  await page.locator("#first-run section").waitFor();
  await page.waitForFunction(() => Number(document.body.dataset.tick) > 5);
  await page.evaluate(() => window.worldloop?.session.loop.pause("Paused."));
  const faults = await faultsOf(page, "first help");
  await page.keyboard.press("Escape");
  faults.push(...(await faultsOf(page, "paused")));
  const sheets: readonly [name: string, open: () => Promise<void>][] = [
    ...["help", "about", "settings", "starts", "share", "branches", "sessions"].map(
      (id) => [id, () => page.locator(`#${id}`).click()] as [string, () => Promise<void>],
    ),
    ["action log", () => chooseFile(page, "drive.jsonl", '{"x":0,"y":1}\n')],
  ];
  for (const [name, open] of sheets) {
    await page.setViewportSize({ width: 1280, height: 800 });
    await open();
    await page.getByRole("dialog").waitFor();
    faults.push(...(await faultsOf(page, name)));
    await page.keyboard.press("Escape");
    await page.getByRole("dialog").waitFor({ state: "hidden" });
  }
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.locator("#fullscreen").click();
  await page.waitForSelector("body[data-full-screen]");
  faults.push(...(await faultsOf(page, "full screen")));
  await page.evaluate(() => window.worldloop?.world.kill());
  await isState(page, "crashed");
  faults.push(...(await faultsOf(page, "crashed")));
  expect(faults).toEqual([]);
});

it("an address of elsewhere, one that leads nowhere, and a world on its way", async () => {
  const foreign = await pages.open(`#package=https://example.org/a-long/way/to-it/world.zip&sha256=${"ab".repeat(32)}`);
  await foreign.getByRole("dialog").waitFor();
  const faults = await faultsOf(foreign, "world from elsewhere");
  const stray = await pages.open("#WORLD=pong");
  await stray.getByText('expected #world=NAME or #package=ADDRESS, got "#WORLD=pong"').waitFor();
  faults.push(...(await faultsOf(stray, "names no world")));
  await stray.evaluate(() => {
    location.hash = "#world=nowhere";
  });
  await isState(stray, "error");
  expect(await stray.locator("#gallery-notices").textContent()).toBe("");
  const nowhere = await pages.open("#world=nowhere");
  await isState(nowhere, "error");
  faults.push(...(await faultsOf(nowhere, "error")));
  const loading = await pages.open("#world=push-t", (page) => page.route("**/tick.onnx?*", () => undefined));
  await loading.locator("#progress").waitFor();
  faults.push(...(await faultsOf(loading, "loading")));
  expect(faults).toEqual([]);
});
