/** The director's line in the built page: told while one plays, completed, judged while one types, recorded, shared. */
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { folderSource } from "../../src/model/folder-source";
import { packZip, readWhole } from "../../src/model/pack";
import { usePackageHost } from "../setup/package-host";
import { usePages } from "../setup/pages";

const { files } = await readWhole(folderSource(fileURLToPath(new URL("../goldens/tiny-prompt", import.meta.url))));
const zip = packZip(files);
const host = usePackageHost(zip, "tiny-prompt");
const pages = usePages();

const plays = (page: Page) =>
  page.waitForFunction(
    () => document.body.dataset.worldloopState === "running" && Number(document.body.dataset.tick) > 2,
  );
const told = (page: Page) => page.evaluate(() => window.worldloop?.session.told() ?? []);

async function open(): Promise<Page> {
  const page = await pages.open(`#package=${host.address}`);
  await page.waitForSelector("#sheet[open]");
  await page.click('#sheet button:text("Open it")');
  await plays(page);
  await page.waitForSelector("#director:not([hidden])");
  return page;
}

test("a world is told something while it is played, by keyboard alone", async () => {
  const page = await open();
  const line = page.locator("#prompt");
  await page.keyboard.down("ArrowUp"); // a key of the world stays held
  await page.keyboard.press("/");
  expect(await line.evaluate((input) => input === document.activeElement)).toBe(true);
  await page.keyboard.type("zebra, du");
  expect(await page.locator("#prompt-words [role=option]").allInnerTexts()).toEqual(["dusk", "dusky"]);
  expect(await page.textContent("#prompt-note")).toBe("Means nothing here: zebra.");
  await page.keyboard.press("ArrowDown");
  expect(await line.getAttribute("aria-activedescendant")).toBe("prompt-word-0");
  await page.keyboard.press("Tab");
  expect(await line.inputValue()).toBe("zebra, dusk");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.getElementById("prompt-now")?.textContent === "Now: zebra, dusk");
  await page.keyboard.up("ArrowUp");
  const [first] = await told(page);
  expect(first?.text).toBe("zebra, dusk");
  expect(await page.textContent("#prompt-note")).toBe("Told; nothing was meant by zebra.");
  const gas = await page.evaluate((tick) => window.worldloop?.session.actions()[tick - 1]?.[1], first?.tick ?? 0);
  expect(gas).toBe(1);
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("view");

  await page.keyboard.press("/");
  await page.keyboard.press("ArrowUp");
  expect(await line.inputValue()).toBe("zebra, dusk");
  for (const [text, complaint] of [
    ["", /^prompt: expected words, such as/],
    ["snow 😀", /U\+1F600$/],
    ["снег", /U\+0441$/],
    ["x".repeat(10_000), /at most 300 characters, got 10000$/],
    ["zebra", /expected words that mean something here/],
  ] as const) {
    await line.fill(text);
    await line.press("Enter");
    expect(await page.textContent("#prompt-note")).toMatch(complaint);
    expect(await line.getAttribute("aria-invalid")).not.toBeNull();
  }
  expect(await told(page)).toHaveLength(1);
  await page.keyboard.press("Escape");
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("view");

  await page.click("#share");
  await page.check("#sheet input[type=checkbox]");
  const shared = page.locator("#link");
  await expect.poll(() => shared.inputValue()).toMatch(/&prompts=/);
  expect(new URLSearchParams(new URL(await shared.inputValue()).hash).get("prompts")).toMatch(/"zebra, dusk"\]\]$/);
});

test("a word is taken by touch, and another tick shows what was told there", async () => {
  const page = await open();
  await page.fill("#prompt", "sn");
  await page.locator("#prompt-words [role=option]").first().click();
  expect(await page.inputValue("#prompt")).toBe("snow");
  await page.click("#director button");
  await page.waitForFunction(() => document.getElementById("prompt-now")?.textContent === "Now: snow");
  const tick = (await told(page))[0]?.tick ?? 0;
  const seek = (to: number) => page.evaluate((to) => window.worldloop?.session.seek({ branch: 0, tick: to }), to);
  await seek(tick - 1);
  expect(await page.textContent("#prompt-now")).toBe("");
  await seek(tick);
  expect(await page.textContent("#prompt-now")).toBe("Now: snow");
});

test("a world that takes no prompts shows nothing of it", async () => {
  const page = await pages.open("#world=pong");
  await plays(page);
  expect(await page.isVisible("#director")).toBe(false);
  await page.keyboard.press("/");
  expect(await page.evaluate(() => document.activeElement?.id)).not.toBe("prompt");
  expect(await page.textContent("#legend")).not.toContain("Tell the world");
});
