/** The shots of the built page: cuts and returns while one plays, by keyboard, in another order, saved, and watched again. */
import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { playStory } from "../../src/cli/play-story";
import { frameSha256 } from "../../src/model/hash";
import { openWorldNode } from "../../src/model/node-runtime";
import { parseStory, planStory } from "../../src/record/story-file";
import { usePages } from "../setup/pages";

const pages = usePages();

const tick = (page: Page) => page.evaluate(() => window.worldloop?.frame()?.tick ?? -1);
const runsTo = (page: Page, wanted: number) => expect.poll(() => tick(page)).toBeGreaterThanOrEqual(wanted);
const branches = (page: Page) => page.evaluate(() => window.worldloop?.world.journal.branches() ?? []);
const labels = (page: Page) =>
  page.locator("#story-shots button").evaluateAll((all) => all.map((each) => each.textContent ?? ""));
const status = (page: Page) => page.textContent("#status");
/** sha256 (RGB) of each frame of each branch, shot after shot. */
const hashes = (page: Page) =>
  page.evaluate(async () => {
    const { session, world } = window.worldloop ?? {};
    const found: string[] = [];
    for (const { id, parting, end } of world?.journal.branches() ?? []) {
      for (let tick = (parting?.tick ?? 0) + 1; tick <= end; tick++) {
        await session?.seek({ branch: id, tick });
        const rgb = Uint8Array.from(session?.frame()?.rgba.filter((_, i) => i % 4 !== 3) ?? []);
        const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", rgb));
        found.push(Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join(""));
      }
    }
    return found;
  });

async function give(page: Page, name: string, text: string): Promise<void> {
  const choosing = page.waitForEvent("filechooser");
  await page.click("#open-file");
  await (await choosing).setFiles({ name, mimeType: "application/json", buffer: Buffer.from(text) });
}

test("shots are added, returned to, put in order and saved by keyboard; played elsewhere they are the same", async () => {
  const page = await pages.open("#world=pong&seed=5");
  await runsTo(page, 8);
  await page.keyboard.press("KeyT");
  await expect.poll(() => page.getAttribute("#shots", "aria-expanded")).toBe("true"); // it is loaded late
  await expect.poll(() => labels(page)).toMatchObject([expect.stringMatching(/^Branch 1 0:0\d, from the beginning$/)]);
  await page.click("#new-shot");
  const at = await tick(page);
  await runsTo(page, at + 6);
  await page.click("#cut-to");
  await page.click('#sheet button:has-text("Across the field")');
  await expect.poll(async () => (await branches(page))[2]?.end ?? 0).toBeGreaterThanOrEqual(5);
  await page.keyboard.press("KeyP");
  await page.locator("#story-shots button").first().focus();
  await page.keyboard.press("Enter");
  await expect.poll(() => status(page)).toBe("Back at the end of Branch 1. What you do now is another shot.");
  const first = (await branches(page))[0]?.end ?? 0;
  expect(await tick(page)).toBe(first);
  await page.keyboard.press("KeyP");
  await runsTo(page, first + 4);
  await page.keyboard.press("KeyP");
  await page.waitForSelector('[data-worldloop-state="paused"]');
  expect(await branches(page)).toMatchObject([
    { parting: null },
    { parting: { branch: 0 } },
    { parting: null },
    { parting: { branch: 0, tick: first } },
  ]);

  await expect.poll(async () => (await labels(page)).length).toBe(4);
  const focused = () => page.evaluate(() => document.activeElement?.textContent);
  await page.locator("#story-shots button").first().focus();
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  expect(await focused()).toMatch(/^Branch 3 .*, cut to Across the field$/);
  for (const _ of [1, 2]) await page.keyboard.press("Shift+ArrowLeft");
  expect(await focused()).toMatch(/^Branch 3/);
  expect(await status(page)).toBe("Branch 3 is shot 1.");
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("Shift+ArrowRight");
  expect(await status(page)).toMatch(/^Branch 1 stays: .* it is shot 2\.$/);

  const saving = page.waitForEvent("download");
  await page.click("#save-shots");
  const text = await readFile(await (await saving).path(), "utf8");
  const { world } = await openWorldNode("pong", {
    engine: "own",
    precision: "float32",
    threads: 1,
    timelineCapacity: 0,
  });
  const plan = await planStory(parseStory(text), world.manifest, () => expect.fail("no file"));
  expect(plan.shots.map(({ name, from }) => [name, from])).toEqual([
    ["Branch 3", { start: 2 }],
    ["Branch 1", { start: 0 }],
    ["Branch 2", { after: 1 }],
    ["Branch 4", { after: 1 }],
  ]);
  const player = playStory(world, plan, () => expect.fail("no policy"), new AbortController().signal);
  const made: string[] = [];
  for await (const frame of player.frames) made.push(await frameSha256(frame));
  await world.close();
  expect(await hashes(page)).toEqual(made);

  const again = await pages.open("#world=pong&seed=1");
  await runsTo(again, 2);
  await give(again, "shots.json", text);
  await expect.poll(() => status(again)).toBe("The story is over.");
  expect((await branches(again)).map(({ name }) => name)).toEqual(["Branch 3", "Branch 1", "Branch 2", "Branch 4"]);
  expect(await hashes(again)).toEqual(made);
});

test("a story that can't be played says why, and the session stays", async () => {
  const page = await pages.open("#world=pong&seed=5");
  await runsTo(page, 3);
  const story = (shot: object) => JSON.stringify({ format: "worldloop-shots", version: 1, shots: [shot] });
  for (const [text, complaint] of [
    [story({ frames: 1 }).slice(0, -2), /shots: expected JSON/],
    [story({ frames: 0 }), /shot 1, frames:/],
    [story({ frames: 3, policy: "scripted" }), /shot 1: policy: the page plays .* open the session/],
    [story({ frames: 3, actions: "lap.jsonl" }), /shot 1: actions, lap\.jsonl: the page plays/],
    [story({ frames: 3, prompt: "night" }), /prompt: pong takes none/],
  ] as const) {
    await give(page, "shots.json", text);
    await page.waitForSelector("#sheet[open]");
    expect(await page.textContent("#sheet-body")).toMatch(complaint);
    await page.click('#sheet button[aria-label="Close"]');
  }
  expect((await branches(page)).length).toBe(1);
});
