/** The front of the built page: the gallery, and the way from there into worlds and back, without a reload. */
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { listWorlds } from "../../src/model/node-runtime";
import { countLive, type Live } from "../setup/live-objects";
import { PAD, plugPad, pressPad } from "../setup/pad";
import { usePages } from "../setup/pages";

/** Each is opened and left in turn; WORLDLOOP_SWITCHES=50 for a longer look. */
const SWITCHES = Number(process.env.WORLDLOOP_SWITCHES ?? 4);
const WORLDS = listWorlds();

const pages = usePages();

const openPage = (address = "", prepare?: (page: Page) => Promise<unknown>) => pages.open(address, prepare);

const cards = (page: Page) => page.locator(".card");
const isFilled = (page: Page) =>
  page.waitForFunction((n) => document.querySelectorAll(".card .caption:not(:empty)").length === n, WORLDS.length);
const passes = (page: Page, tick: number) =>
  page.waitForFunction((tick) => Number(document.body.dataset.tick) >= tick, tick);
/** The first preview as it stands. */
const picture = (page: Page) =>
  page.evaluate(() => document.querySelector<HTMLCanvasElement>(".card canvas")?.toDataURL() ?? "");
const moves = async (page: Page) => {
  const before = await picture(page);
  await page.waitForFunction(
    (b) => document.querySelector<HTMLCanvasElement>(".card canvas")?.toDataURL() !== b,
    before,
  );
};
const standsStill = async (page: Page) => {
  await page.waitForTimeout(300);
  const before = await picture(page);
  await page.waitForTimeout(1000); // a dozen frames of a preview
  expect(await picture(page)).toBe(before);
  expect(before.length).toBeGreaterThan(2000); // a picture, not black
};

describe("the gallery", () => {
  it("shows a card for every world, with a preview that moves and can be stopped, and opens none of them", async () => {
    const page = await openPage();
    await isFilled(page);
    expect(await cards(page).count()).toBe(WORLDS.length);
    expect(await cards(page).locator(".caption").allTextContents()).toEqual(WORLDS.map(() => "Dreamed by the network"));
    for (const text of await cards(page).allTextContents()) {
      expect(text).toMatch(/\d+(\.\d)? MB.*Not measured on this machine yet\..*[\d,]+ frames of .*real environment/);
    }
    await moves(page);
    await page.getByRole("button", { name: "Stop the previews" }).click();
    await standsStill(page);
    const fetched = await page.evaluate(() => performance.getEntriesByType("resource").map(({ name }) => name));
    expect(fetched.filter((name) => /onnx|worker|texture-surface/.test(name))).toEqual([]);
    expect(page.workers()).toHaveLength(0);
    expect(pages.said.filter((line) => /^(uncaught|error)/.test(line))).toEqual([]);
  });

  it("stands still for those who want less motion, until they ask for it", async () => {
    const page = await openPage("", (page) => page.emulateMedia({ reducedMotion: "reduce" }));
    await isFilled(page);
    await page.waitForFunction(() => (document.querySelector("canvas")?.toDataURL().length ?? 0) > 2000);
    await standsStill(page);
    await page.getByRole("button", { name: "Play the previews" }).click();
    await moves(page);
  });

  it("leads into a world and back, by keyboard and history, and remembers it", async () => {
    const page = await openPage();
    await isFilled(page);
    await page.evaluate(() => Object.assign(window, { notReloaded: true }));
    await page.getByRole("link", { name: "Pong for two" }).focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => document.body.dataset.worldloopState === "running");
    await passes(page, 60);
    expect(await page.evaluate(() => document.activeElement?.id)).toBe("view");
    expect(new URL(page.url()).hash).toBe("#world=pong&seed=1&start=0");
    await page.goBack();
    await isFilled(page);
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("Pong for two");
    expect(await page.title()).toBe("Worldloop");
    const first = await cards(page).first().textContent();
    expect(first).toMatch(/Pong for two.*Last played/);
    expect(first).toMatch(/\d ms a frame, 95 % within .* its 15 frames a second \(our own engine, 1 thread\)/);
    await page.goForward();
    await page.waitForFunction(() => window.worldloop?.world.manifest.name === "pong");
    await page.getByRole("link", { name: "All worlds" }).click();
    await isFilled(page);
    expect(await page.evaluate(() => "notReloaded" in window && !window.worldloop)).toBe(true);
  });

  it("is walked by a pad before any world was open", async () => {
    const page = await openPage("", plugPad);
    await isFilled(page);
    const focused = () => page.evaluate(() => document.activeElement?.closest(".card") !== null);
    for (let i = 0; i < 3 && !(await focused()); i++) await pressPad(page, PAD.DOWN);
    expect(await focused()).toBe(true);
    await pressPad(page, PAD.A);
    await page.waitForFunction(() => document.body.dataset.worldloopState === "running");
  });

  it("shows where a world begins while it is being fetched", async () => {
    let go = () => undefined as unknown;
    const held = new Promise<unknown>((resolve) => {
      go = () => resolve(undefined);
    });
    const page = await openPage("#world=push-t&start=2", (page) =>
      page.route("**/tick.onnx?*", async (route) => {
        await held;
        await route.continue();
      }),
    );
    await page.locator("#view[style]").waitFor();
    const start = await page.locator("#view").screenshot({ style: "#veil { display: none !important }" });
    expect(await page.evaluate(() => document.body.dataset.worldloopState)).toBe("loading");
    go();
    await page.waitForFunction(() => document.body.dataset.worldloopState === "running");
    expect(start.length).toBeGreaterThan(5000); // a picture, not black
  });

  it("shows a start picture where there is no preview of this version, and tells in a card what is wrong with a world", async () => {
    const page = await openPage("", (page) =>
      Promise.all([
        page.route("**/worlds/index.json", (route) => route.fulfill({ json: ["pong", "broken", "own"] })),
        page.route("**/worlds/previews.json", async (route) => {
          const { pong } = await (await route.fetch()).json();
          await route.fulfill({ json: { pong: { ...pong, madeBy: { "tick.onnx": "0".repeat(64) } } } });
        }),
        page.route("**/worlds/own/**", async (route) => {
          const url = route.request().url().replace("/own/", "/pong/");
          const response = await route.fetch({ url });
          if (!url.endsWith("world.json")) return route.fulfill({ response });
          const { "metrics.json": _, ...files } = (await response.json()).files;
          return route.fulfill({ response, json: { ...(await response.json()), title: "My own", files } });
        }),
      ]),
    );
    await page.locator(".card .problem").waitFor();
    await page.waitForFunction(() => document.querySelectorAll(".card .caption:not(:empty)").length === 2);
    const [pong, broken, own] = await cards(page).allTextContents();
    expect(pong).toContain("Where it begins: a real picture");
    expect(broken).toMatch(/MissingFileError: world.json: expected the file at .*, got HTTP status 404/);
    expect(own).toMatch(/My own.*Not judged yet\./);
    await page.getByRole("link", { name: "broken" }).click();
    await page.getByText("MissingFileError").waitFor();
    await page.getByRole("button", { name: "See all worlds" }).click();
    await cards(page).nth(2).waitFor();
  });

  it("leaves nothing behind when worlds are opened and left, in the middle of opening too", async () => {
    const page = await openPage("?engine=own"); // opens quickest
    await isFilled(page);
    const visit = async (number: number) => {
      await page.evaluate(
        (hash) => {
          location.hash = hash;
        },
        `world=${WORLDS[number % WORLDS.length]}`,
      );
      if (number % 3 === 2) await page.locator("#view[style]").waitFor();
      else await passes(page, 3);
      await page.evaluate(() => {
        location.hash = "";
      });
      await isFilled(page);
    };
    for (let i = 0; i < 3; i++) await visit(i); // whatever is kept for the life of the page is there by then
    const before = await countLive(page);
    for (let i = 0; i < SWITCHES; i++) await visit(i);
    // One visit may still be held by a timer; each of the four would add a canvas and a context, and 18 listeners.
    const room: Live = {
      workers: 0,
      listeners: 50,
      nodes: 350,
      webglContexts: 1,
      canvases: 3,
      abortSignals: 3,
      heap: 2e6,
    };
    const grown = async () => {
      const after = await countLive(page);
      console.log(JSON.stringify({ switches: SWITCHES, before, after }));
      return (Object.keys(room) as (keyof Live)[]).filter((what) => after[what] > before[what] + room[what]);
    };
    await expect.poll(grown, { timeout: 60_000, interval: 5000 }).toEqual([]);
    expect(pages.said.filter((line) => /^(uncaught|error)/.test(line))).toEqual([]);
  });

  it("fits every screen", async () => {
    const page = await openPage();
    await isFilled(page);
    for (const width of [320, 390, 744, 1280, 2560, 3840]) {
      await page.setViewportSize({ width, height: 800 });
      const wide = await page.evaluate(() => document.documentElement.scrollWidth);
      expect({ width, wide }).toEqual({ width, wide: width });
      const shown = await page
        .locator("#controls, #sheet, #hud, #back")
        .evaluateAll((all) => all.filter((element) => element.checkVisibility()).map(({ id }) => id));
      expect(shown).toEqual([]);
    }
  });
});
