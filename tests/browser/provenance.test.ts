/** What the built page saves says where it came from; given back to it, it is replayed, compared and gone on from. */
import { readFileSync } from "node:fs";
import type { Page } from "playwright-core";
import { expect, it } from "vitest";
import { usePages } from "../setup/pages";

const pages = usePages();

async function open(hash: string): Promise<Page> {
  const page = await pages.open(hash);
  await page.waitForSelector('[data-worldloop-state="running"]');
  return page;
}

async function save(page: Page, id: string): Promise<string> {
  const [download] = await Promise.all([page.waitForEvent("download"), page.locator(`#${id}`).click()]);
  return download.path();
}

async function choose(page: Page, file: string | { name: string; mimeType: string; buffer: Buffer }): Promise<void> {
  const [chooser] = await Promise.all([page.waitForEvent("filechooser"), page.locator("#open-file").click()]);
  await chooser.setFiles(file);
  await page.locator("dialog[open]").waitFor();
}

const newest = (page: Page) =>
  page.evaluate(() => {
    const frame = window.worldloop?.frame();
    return frame && { tick: frame.tick, rgba: [...frame.rgba] };
  });

it("verifies a picture and a clip, and goes on from the picture in another world's page", async () => {
  const page = await open("#world=car-racing&seed=5&start=1");
  await page.locator("#clip").click();
  await page.keyboard.down("ArrowUp");
  await page.getByText("Stop · 0 s").waitFor();
  const ticks = await page.evaluate(() => Number(document.body.dataset.tick));
  await page.waitForFunction((tick) => Number(document.body.dataset.tick) >= tick, ticks + 5);
  await page.keyboard.up("ArrowUp");
  await page.keyboard.press("KeyP");
  await page.waitForSelector('[data-worldloop-state="paused"]');
  await page.evaluate(() => window.worldloop?.world.status()); // the step in flight has been shown
  const shown = await newest(page);
  const picture = await save(page, "screenshot");
  const clip = await save(page, "clip");
  await choose(page, { name: "clip", mimeType: "", buffer: readFileSync(clip) });
  await page.getByRole("button", { name: "Verify" }).click();
  await page.getByText("Verified as far as a video allows").waitFor();
  await page.close();

  const other = await open("#world=pong");
  await choose(other, picture);
  await other.getByRole("button", { name: "Verify" }).click();
  await other.getByText(/Verified: replaying its \d+ actions gives this picture, bit by bit/).waitFor();
  expect(await other.evaluate(() => window.worldloop?.world.manifest.name)).toBe("pong"); // the session stays as it was
  await other.getByRole("button", { name: "Go on from here" }).click();
  await other.getByText(`Tick ${shown?.tick}, as the file has it.`).first().waitFor();
  expect(await newest(other)).toEqual(shown);
  expect(await other.evaluate(() => location.hash)).toBe("#world=car-racing&seed=5&start=1");
  expect(await other.evaluate(() => window.worldloop?.session.actions().length)).toBe(shown?.tick);

  const log = readFileSync(await save(other, "log"), "utf8").replace('"start":1', '"start":99');
  await choose(other, { name: "log", mimeType: "", buffer: Buffer.from(log) });
  await other.getByRole("button", { name: "Go on from here" }).click();
  await other.getByText("start: expected an integer from 0 to").waitFor();
  await other.keyboard.press("Escape");
  expect(await newest(other)).toEqual(shown); // a file's mistake leaves the session as it was

  const png = readFileSync(picture);
  for (const [buffer, sentence] of [
    [png.subarray(0, png.length / 2), "cut short or damaged"],
    [Buffer.from("GIF89a"), "got something else"],
    [Buffer.from('{"steer":0,"gas":1,"brake":0}\n'), "It doesn't say which world"],
  ] as const) {
    await choose(other, { name: "file", mimeType: "", buffer });
    expect(await other.locator("#sheet-body").textContent()).toContain(sentence);
    await other.keyboard.press("Escape");
  }
});
