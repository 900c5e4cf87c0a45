/** The page of `collect --watch` in a real browser. */
import type { BrowserContext } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { openWatch } from "../../src/serve/watch/watch";
import { consoleOf, launchBrowser } from "../setup/browser";

let browser: BrowserContext;
beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser.close());

it("draws each world's newest picture, says what is played there, and when it has ended", async () => {
  const picture = { width: 2, height: 1 };
  const watch = await openWatch({ world: "Tiny", policy: "random", frames: 9, picture });
  watch.show({ player: 5, episode: 3, tick: 4, rgb: Uint8Array.of(255, 0, 0, 0, 0, 255) });
  const page = await browser.newPage();
  const said = consoleOf(page);
  await page.goto(watch.url);
  await page.getByText("episode 3, frame 5 of 9, random").waitFor();
  watch.show({ player: 6, episode: 4, tick: 0, rgb: Uint8Array.of(1, 2, 3, 4, 5, 6) });
  await page.getByText("episode 4, frame 1 of 9, random").waitFor();
  expect(await page.title()).toBe("Worldloop: collecting Tiny");
  expect(await page.getByRole("status").textContent()).toBe("2 worlds are being played.");
  expect(await page.getByRole("listitem").count()).toBe(2);
  const pixels = await page
    .getByRole("img", { name: "The picture of world 1" })
    .evaluate((canvas) => [
      ...((canvas as HTMLCanvasElement).getContext("2d") as CanvasRenderingContext2D).getImageData(0, 0, 2, 1).data,
    ]);
  expect(pixels).toEqual([255, 0, 0, 255, 0, 0, 255, 255]);
  await watch.close();
  await page.getByText("The collecting has ended").waitFor();
  expect(said).toEqual([]);
});
