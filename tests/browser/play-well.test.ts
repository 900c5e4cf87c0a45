/** What helps a person to play: the first help, pads, full screen, the end of an episode, pictures of their own. */
import { readFileSync } from "node:fs";
import { encode } from "fast-png";
import type { Page } from "playwright-core";
import { describe, expect, it } from "vitest";
import { parseManifest } from "../../src/model/manifest";
import { rewardGraph, withReward } from "../../src/model/reward.fixture";
import type { Settings } from "../../src/page/settings";
import { PAD, plugPad, pressPad } from "../setup/pad";
import { usePages } from "../setup/pages";

const pages = usePages();

const isState = (page: Page, state: string) => page.waitForSelector(`[data-worldloop-state="${state}"]`);
const tick = (page: Page) => page.evaluate(() => Number(document.body.dataset.tick));
const passes = (page: Page, least: number) =>
  page.waitForFunction((least) => Number(document.body.dataset.tick) >= least, least);

async function open(prepare?: (page: Page) => Promise<unknown>, hash = "#world=car-racing"): Promise<Page> {
  const page = await pages.open(hash, prepare);
  await isState(page, "running");
  await passes(page, 3);
  return page;
}

const { A, B, LEFT_BUMPER, VIEW, MENU, DOWN } = PAD;

describe("playing well", () => {
  it("draws the world's own keys on the first visit, until one is pressed, and again when asked", async () => {
    const page = await open();
    const help = page.locator("#first-run section");
    await help.waitFor();
    const bound = await page.evaluate(() => window.worldloop?.session.bindings.value.map(({ code }) => code) ?? []);
    expect(await help.locator(".key.lit").count()).toBe(bound.length);
    expect(await help.innerText()).toContain("steer");
    const described = await page.locator("#view").getAttribute("aria-description");
    expect(described).toMatch(/steer: left arrow, .*gas: up arrow/);
    await page.waitForTimeout(800); // it can't be put away at once
    await page.keyboard.down(bound[0] ?? "");
    await help.waitFor({ state: "detached" });
    await page.keyboard.up(bound[0] ?? "");
    await page.reload();
    await isState(page, "running");
    await passes(page, 3);
    expect(await help.count()).toBe(0);
    await page.keyboard.press("?");
    const sheet = page.locator("dialog[open]");
    await sheet.locator(".pad-picture").waitFor();
    expect(await sheet.locator(".keyboard-picture .key.lit").count()).toBe(bound.length);
    await page.keyboard.down(bound[0] ?? "");
    expect(await sheet.locator(".keyboard-picture .key.down").count()).toBe(1);
  });

  it("takes up what is chosen in another tab instead of undoing it", async () => {
    const [here, there] = [await open(), await open()];
    const choose = (page: Page, change: Partial<Settings>) =>
      page.evaluate((change) => {
        const settings = window.worldloop?.session.settings;
        settings?.next({ ...settings.value, ...change });
      }, change);
    const chosen = (page: Page) => page.evaluate(() => window.worldloop?.session.settings.value);
    await choose(there, { hud: false });
    await here.locator("#hud").waitFor({ state: "hidden" });
    await choose(here, { deadZone: 0.3 });
    await expect.poll(() => chosen(there)).toMatchObject({ hud: false, deadZone: 0.3 });
    await choose(there, { hud: true, deadZone: 0.12 });
  });

  it("is worked by a pad: pause, rewind, a menu that the d-pad walks in", async () => {
    const page = await open(plugPad);
    await pressPad(page, MENU);
    await isState(page, "paused");
    await pressPad(page, MENU);
    await isState(page, "running");
    await passes(page, (await tick(page)) + 10);
    const before = await tick(page);
    await pressPad(page, LEFT_BUMPER, () =>
      page.waitForFunction((before) => Number(document.body.dataset.tick) < before - 3, before),
    );
    await isState(page, "running");
    await pressPad(page, VIEW);
    const menu = page.locator("dialog[open]");
    await menu.waitFor();
    const focused = () => page.evaluate(() => document.activeElement?.textContent);
    expect(await focused()).toBe("Go on");
    await pressPad(page, DOWN);
    expect(await focused()).not.toBe("Go on");
    await pressPad(page, B);
    await menu.waitFor({ state: "hidden" });
    await pressPad(page, VIEW);
    await menu.waitFor();
    await pressPad(page, A);
    await menu.waitFor({ state: "hidden" });
    await isState(page, "running");
  });

  it("hides its controls in full screen while somebody drives, and gives them to the Tab key", async () => {
    const page = await open();
    await page.locator("#fullscreen").click();
    await page.waitForSelector("body[data-full-screen]");
    await page.mouse.move(600, 300);
    await page.keyboard.down("ArrowUp");
    await page.waitForSelector("body[data-idle]");
    await page.waitForFunction(() => getComputedStyle(document.getElementById("controls") as Element).opacity === "0");
    await page.keyboard.up("ArrowUp");
    await page.keyboard.press("Shift+Tab"); // backwards from the button that was clicked
    await page.waitForSelector("body:not([data-idle])");
    expect(await page.evaluate(() => document.activeElement?.parentElement?.id)).toBe("controls");
    await page.waitForFunction(() => getComputedStyle(document.getElementById("controls") as Element).opacity === "1");
    await page.locator("#fullscreen").click();
    await page.waitForSelector("body:not([data-full-screen])");
  });

  it("counts the reward of a world that has one, and offers a new episode at its end", async () => {
    const text = readFileSync("tests/goldens/tiny-world/world.json", "utf8");
    const graph = rewardGraph(parseManifest(text));
    const json = await withReward(text, graph);
    const tiny = async (page: Page) => {
      await page.route("**/worlds/index.json", (route) => route.fulfill({ json: ["tiny-world"] }));
      await page.route("**/worlds/tiny-world/**", (route) => {
        const file = new URL(route.request().url()).pathname.split("/tiny-world/")[1] ?? "";
        if (file === "world.json") return route.fulfill({ body: json });
        if (file === "reward.onnx") return route.fulfill({ body: Buffer.from(graph) });
        return route.fulfill({ path: `tests/goldens/tiny-world/${file}` });
      });
    };
    const page = await open(tiny, "#world=tiny-world&seed=7");
    const score = page.locator("#score");
    expect(await score.textContent()).toBe("Reward 0");
    await page.keyboard.down("ArrowUp");
    await page.waitForFunction(() => /Reward [1-9]/.test(document.getElementById("score")?.textContent ?? ""));
    await page.keyboard.down("ArrowRight");
    const end = page.locator(".notice", { hasText: "The episode is over" });
    await end.waitFor();
    await page.keyboard.up("ArrowRight");
    await page.keyboard.up("ArrowUp");
    await isState(page, "paused");
    await end.getByRole("button", { name: "New episode" }).click();
    await isState(page, "running");
    const beginning = () => page.evaluate(() => window.worldloop?.session.beginning.value);
    await expect.poll(beginning).toEqual({ seed: 8, start: 0 });
    expect(await end.count()).toBe(0);
    expect(await score.textContent()).toBe("Reward 0");
  });

  it("begins at a picture of one's own, and keeps the world when it can't", async () => {
    const page = await open();
    const choose = async (buffer: Buffer) => {
      await page.locator("#starts").click();
      const chooser = page.waitForEvent("filechooser");
      await page.getByRole("button", { name: "A picture of your own" }).click();
      await (await chooser).setFiles({ name: "mine.png", mimeType: "image/png", buffer });
    };
    const before = await tick(page);
    await choose(Buffer.from("no picture at all"));
    await page.locator(".notice.error", { hasText: "can't read the file as a picture" }).waitFor();
    await passes(page, before + 2);
    await page.locator(".notice.error > button").click();
    const half = Uint8Array.from({ length: 40 * 20 * 3 }, (_, i) => (i % 120 < 60 ? 200 : 30)); // light left, dark right
    await choose(Buffer.from(encode({ width: 40, height: 20, data: half, channels: 3 })));
    await page.getByLabel("Which part").fill("0");
    const seen = await page.evaluate(() => {
      const first = new Promise<number[]>((resolve) => {
        const listen = () => {
          const frame = window.worldloop?.frame();
          if (frame?.tick === 0) resolve([...frame.rgba.slice(0, 4)]);
          else document.addEventListener("worldloop:frame", listen, { once: true });
        };
        document.addEventListener("worldloop:frame", listen, { once: true });
      });
      const begin = [...document.querySelectorAll("button")].find(({ textContent }) => textContent === "Begin here");
      begin?.click();
      return first;
    });
    expect(seen).toEqual([200, 200, 200, 255]);
    await page.getByText("Start: Your picture").waitFor();
    await passes(page, 3);
    await page.locator("#share").click();
    await page.getByText("which no link can carry").waitFor();
    await page.keyboard.press("Escape");
    const [shot] = await Promise.all([page.waitForEvent("download"), page.locator("#screenshot").click()]);
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.locator("#open-file").click()]);
    await chooser.setFiles(await shot.path());
    const sheet = page.getByRole("dialog");
    await sheet.getByText("a picture of somebody's own").waitFor();
    await sheet.getByRole("button", { name: "Verify" }).click(); // it is still at hand here
    await sheet.getByText("gives this picture, bit by bit").waitFor();
    await page.keyboard.press("Escape");
    await page.locator("#sessions").click();
    await sheet.getByText("whoever gets the file can look at it").waitFor();
    const [saved] = await Promise.all([
      page.waitForEvent("download"),
      sheet.getByRole("button", { name: "Save it with my picture" }).click(),
    ]);
    const left = await tick(page);
    const path = await saved.path();
    await page.reload();
    await passes(page, 1);
    const [again] = await Promise.all([page.waitForEvent("filechooser"), page.locator("#open-file").click()]);
    await again.setFiles({ name: "session.json", mimeType: "", buffer: readFileSync(path) });
    await page.getByText(`Tick ${left} of the session. Go on to play from here.`).waitFor(); // the very same picture
    await page.getByText("Start: Your picture").waitFor();
  });
});
