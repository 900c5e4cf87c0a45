/** A package that is replaced while its world is open: taken up, offered, or refused, and nothing that was played is lost. */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { afterEach, beforeEach, expect, it } from "vitest";
import { usePages } from "../setup/pages";
import { type PlainHost, startPlainHost } from "../setup/plain-host";

const pages = usePages();
const manifest = JSON.parse(readFileSync("tests/goldens/tiny-world/world.json", "utf8"));
let host: PlainHost;
beforeEach(async () => {
  host = await startPlainHost();
});
afterEach(() => host.shut());

/** Puts another manifest in the place of the world's. @returns its sha256 */
function publish(change: object): string {
  const text = JSON.stringify({ ...manifest, ...change });
  host.instead.set("worlds/tiny/world.json", text);
  return createHash("sha256").update(text).digest("hex");
}
const openPage = async (search: string): Promise<Page> => {
  const page = await pages.visit(`${host.url}${search}#world=tiny&seed=5&start=0`);
  await plays(page);
  return page;
};
const plays = (page: Page) => page.waitForSelector('[data-worldloop-state="running"]');
const packageNow = (page: Page) => page.evaluate(() => window.worldloop?.world.packageSha256);
const isPackage = (page: Page, sha256: string) => expect.poll(() => packageNow(page), { timeout: 60_000 }).toBe(sha256);
const tickPasses = (page: Page, tick: number) =>
  page.waitForFunction((tick) => Number(document.body.dataset.tick) > tick, tick);
/** What was done up to a tick. */
const actions = (page: Page, until = Number.POSITIVE_INFINITY) =>
  page.evaluate(
    (until) =>
      window.worldloop?.session
        .actions()
        .slice(0, until)
        .map((a) => [...a]),
    until,
  );

it("goes on in it with the same actions where the page follows, twice in a row", async () => {
  const page = await openPage("?follow");
  await page.keyboard.down("ArrowUp");
  await tickPasses(page, 30);
  const played = (await actions(page)) ?? [];
  expect(played.length).toBeGreaterThan(30);
  publish({ title: "Tiny, better" });
  const newest = publish({ title: "Tiny, better still" });
  await isPackage(page, newest);
  await plays(page);
  await page.keyboard.up("ArrowUp");
  expect(await actions(page, played.length)).toEqual(played);
  expect(await page.locator("#world-title").textContent()).toBe("Tiny, better still");
  await page.getByRole("region", { name: "A new version of this world" }).waitFor();
  expect(await page.locator("#status").textContent()).toContain("was taken up. You go on at tick");
  await tickPasses(page, played.length);
  const back = publish({}); // the first one again, written anew
  await isPackage(page, back);
  await plays(page);
  expect(await actions(page, played.length)).toEqual(played);
  expect(pages.said.filter((line) => line.startsWith("uncaught"))).toEqual([]);
});

it("keeps the old one where the new one is broken, and says so once", async () => {
  const page = await openPage("?follow");
  const old = await packageNow(page);
  const files = { ...manifest.files, "tick.onnx": { ...manifest.files["tick.onnx"], sha256: "0".repeat(64) } };
  publish({ files });
  const refusal = page.getByRole("region", { name: "The new version can't be used" });
  await refusal.waitFor();
  expect(await refusal.textContent()).toContain("tick.onnx");
  const tick = await page.evaluate(() => Number(document.body.dataset.tick));
  await tickPasses(page, tick + 10);
  expect(await packageNow(page)).toBe(old);
  await refusal.getByRole("button", { name: "Close" }).click();
  host.asked();
  await expect.poll(() => host.asked().includes("worlds/tiny/world.json"), { timeout: 30_000 }).toBe(true);
  expect(await refusal.count()).toBe(0);
  expect(host.asked()).not.toContain("worlds/tiny/tick.onnx"); // it isn't tried for ever
  const mended = publish({ title: "Tiny, mended" });
  await isPackage(page, mended);
});

it("never interrupts a clip by itself, and saves it when the person goes on", async () => {
  const page = await openPage("?follow");
  const old = await packageNow(page);
  await page.getByRole("button", { name: "Record clip" }).click();
  await page.getByRole("button", { name: /Stop · / }).waitFor();
  const newest = publish({ title: "Tiny, better" });
  const offer = page.getByRole("region", { name: "A new version of this world" });
  await offer.waitFor();
  expect(await offer.textContent()).toContain("The clip that is being recorded ends then, and is saved.");
  expect(await packageNow(page)).toBe(old);
  const saved = page.waitForEvent("download");
  await offer.getByRole("button", { name: "Take it up" }).click();
  expect((await saved).suggestedFilename()).toMatch(/clip\.(mp4|webm)$/);
  await isPackage(page, newest);
});

it("says why a session can't go on where the new version has other actions, and keeps it", async () => {
  const page = await openPage("?follow");
  await tickPasses(page, 60);
  const [first, ...others] = manifest.actions;
  const newest = publish({ actions: [{ ...first, name: "lean" }, ...others] });
  await isPackage(page, newest);
  await plays(page);
  const notice = page.getByRole("region", { name: "A new version of this world" });
  expect(await notice.textContent()).toContain("It is kept under Sessions");
  await page.getByRole("button", { name: "Sessions" }).click();
  await page.getByText("another version of it").waitFor();
});
