/** The timeline of the built page: any tick again, branches, sessions that outlive the page, clips of what was played. */
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input } from "mediabunny";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Rollout } from "../../src/dataset/rollout-file";
import { parseSession } from "../../src/record/session-file";
import { worldloop } from "../setup/collect";
import { usePages } from "../setup/pages";

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "worldloop-timeline-"));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});
const pages = usePages();

/** Running, and every frame's sha256 (RGB) noted as it is shown, by branch and tick. */
async function openPage(): Promise<Page> {
  const page = await pages.open("#world=car-racing", noteFrames);
  await page.waitForSelector('[data-worldloop-state="running"]');
  return page;
}
const noteFrames = (page: Page) =>
  page.addInitScript(() => {
    const shown: Record<string, Promise<string>> = {};
    document.addEventListener("worldloop:frame", () => {
      const frame = window.worldloop?.frame();
      const { journal } = window.worldloop?.world ?? {};
      if (!frame || !journal) return;
      const { branch, tick } = journal.owner(journal.position);
      const rgb = Uint8Array.from(frame.rgba.filter((_, i) => i % 4 !== 3));
      shown[`${branch}:${tick}`] = crypto.subtle
        .digest("SHA-256", rgb)
        .then((hash) => Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join(""));
    });
    Object.assign(window, { shown });
  });
const passes = (page: Page, tick: number) =>
  page.waitForFunction((tick) => Number(document.body.dataset.tick) >= tick, tick);
/** Asked for from here: a page behind another draws no frames, which is when the page's own waiting looks. */
const standsAt = (page: Page, tick: number) =>
  expect
    .poll(() => page.evaluate(() => [document.body.dataset.tick, document.body.dataset.worldloopState].join()))
    .toBe(`${tick},paused`);
async function pause(page: Page): Promise<number> {
  await page.keyboard.press("KeyP");
  await page.waitForSelector('[data-worldloop-state="paused"]');
  await page.evaluate(() => window.worldloop?.world.status());
  return page.evaluate(() => window.worldloop?.frame()?.tick ?? Number.NaN);
}
const branches = (page: Page) => page.evaluate(() => window.worldloop?.world.journal.branches() ?? []);
/** Frames as they were shown, by `branch:tick`. */
const shown = (page: Page): Promise<Record<string, string>> =>
  page.evaluate(
    `Promise.all(Object.entries(shown).map(async ([at, hash]) => [at, await hash])).then(Object.fromEntries)`,
  );
async function hashNow(page: Page): Promise<string> {
  const rgba = await page.evaluate(() => [...(window.worldloop?.frame()?.rgba ?? [])]);
  const rgb = Uint8Array.from(rgba.filter((_, i) => i % 4 !== 3));
  return createHash("sha256").update(rgb).digest("hex");
}

/** What lies in the browser's storage: at which tick each session was left, and whether a tab plays it. */
const KEPT = async (): Promise<{ tick: number; isPlayed: boolean }[]> => {
  const sessions = await new Promise<{ id: string; at: { tick: number } }[]>((resolve) => {
    const open = indexedDB.open("worldloop-sessions");
    open.onsuccess = () => {
      const all = open.result.transaction("sessions").objectStore("sessions").getAll();
      all.onsuccess = () => {
        open.result.close();
        resolve(all.result);
      };
    };
  });
  const held = (await navigator.locks.query()).held ?? [];
  return sessions.map(({ id, at }) => ({ tick: at.tick, isPlayed: held.some(({ name }) => name?.endsWith(id)) }));
};

describe("the timeline", () => {
  it("goes to any tick, keeps the old future as a branch, and the command line plays both", async () => {
    const page = await openPage();
    await page.keyboard.down("ArrowUp");
    await passes(page, 60);
    await page.keyboard.up("ArrowUp");
    const end = await pause(page);
    const before = await shown(page);
    const slider = page.getByRole("slider", { name: "Time" });
    await slider.focus();
    await page.keyboard.press("Home");
    await standsAt(page, 0);
    expect(await hashNow(page)).toBe(before["0:0"]);
    for (const [key, tick] of [
      ["PageUp", 25],
      ["ArrowRight", 26],
      ["ArrowLeft", 25],
      ["End", end],
      ["PageDown", end - 25],
    ] as const) {
      await page.keyboard.press(key);
      await standsAt(page, tick);
      expect(await hashNow(page)).toBe(before[`0:${tick}`]);
    }
    expect(await slider.getAttribute("aria-valuenow")).toBe(String(end - 25));
    const box = await slider.boundingBox();
    if (!box) throw new Error("no bar");
    await page.mouse.click(box.x + (box.width * 40) / 250, box.y + box.height / 2); // the bar is ten seconds long
    await page.waitForFunction(() => [39, 40, 41].includes(Number(document.body.dataset.tick)));
    const parting = Number(await slider.getAttribute("aria-valuenow"));
    expect(await branches(page)).toHaveLength(1);

    await page.keyboard.down("ArrowLeft"); // the slider's key while it has the focus: it mustn't steer
    await page.keyboard.up("ArrowLeft");
    await standsAt(page, parting - 1);
    await page.locator("#view").focus();
    await page.keyboard.down("ArrowDown");
    await page.keyboard.press("KeyP");
    await passes(page, parting + 10);
    await page.keyboard.up("ArrowDown");
    const left = await pause(page);
    expect(await branches(page)).toMatchObject([{ end }, { end: left, parting: { branch: 0 } }]);

    await page.keyboard.press("KeyB");
    await page.getByLabel("Name of Branch 2").fill("  braked\n ");
    await page.keyboard.press("Tab");
    await page.getByRole("button", { name: "Go to its end" }).first().click();
    await standsAt(page, end);
    expect(await hashNow(page)).toBe(before[`0:${end}`]);

    await page.keyboard.press("KeyO");
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Save this session" }).click(),
    ]);
    const path = join(folder, "session.json");
    await file.saveAs(path);
    expect(parseSession(await readFile(path, "utf8")).record.branches.map(({ name }) => name)).toEqual([
      "Branch 1",
      "braked",
    ]);
    const all = await shown(page);
    for (const [id, branch, ticks] of [
      [0, "Branch 1", end],
      [1, "braked", left],
    ] as const) {
      const out = join(folder, branch);
      const { code, stderr } = await worldloop([
        "rollout",
        "--session",
        path,
        "--branch",
        branch,
        "--threads",
        "1",
        "--out",
        out,
      ]);
      expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
      const { frameHashes }: Rollout = JSON.parse(await readFile(join(out, "rollout.json"), "utf8"));
      expect(frameHashes).toHaveLength(ticks);
      expect(frameHashes.at(-1)).toBe(all[`${id}:${ticks}`]);
    }
  });

  it("goes on where a killed tab was, in one tab at a time; refuses a damaged file and opens a whole one", async () => {
    const killed = await openPage();
    await passes(killed, 55); // two seconds are worth keeping
    const tick = await pause(killed);
    const hash = await hashNow(killed);
    await expect.poll(() => killed.evaluate(KEPT)).toContainEqual({ tick, isPlayed: true });
    const session = await pages.browser.newCDPSession(killed);
    const crashed = killed.waitForEvent("crash");
    session.send("Page.crash").catch(() => undefined);
    await crashed;

    const page = await openPage();
    await page.getByRole("button", { name: "Go on where you were" }).click();
    await standsAt(page, tick);
    expect(await hashNow(page)).toBe(hash);
    await expect.poll(() => page.evaluate(KEPT)).toContainEqual({ tick, isPlayed: true });
    const other = await openPage();
    await passes(other, 3);
    await other.keyboard.press("KeyO");
    await other.locator("#sheet .kept").waitFor();
    const kept = await other.evaluate(KEPT); // its own among them, where it has played for long enough by now
    expect(kept).toContainEqual({ tick, isPlayed: true });
    const free = kept.filter(({ isPlayed }) => !isPlayed);
    expect(await other.getByRole("button", { name: "Forget: " }).count()).toBe(free.length);
    await other.close();
    await page.bringToFront();

    await page.keyboard.press("KeyO");
    const [file] = await Promise.all([
      page.waitForEvent("download"),
      page.getByRole("button", { name: "Save this session" }).click(),
    ]);
    const path = join(folder, "whole.json");
    await file.saveAs(path);
    await writeFile(join(folder, "half.json"), (await readFile(path)).subarray(0, 400));
    await page.getByLabel("Open a session or an action log").setInputFiles(join(folder, "half.json"));
    await page.locator("#sheet .note", { hasText: "expected a file that was saved as a session" }).waitFor();
    await page.keyboard.press("Escape");
    await standsAt(page, tick);
    // A sheet keeps its keys until it has closed.
    await expect.poll(() => page.evaluate(() => document.activeElement?.closest("dialog") ?? null)).toBeNull();
    await page.keyboard.press("KeyR");
    await expect.poll(() => page.evaluate(() => Number(document.body.dataset.tick))).toBeLessThan(tick);
    await page.keyboard.press("KeyO");
    await page.locator("#sheet[open]").waitFor(); // a file may be put into what the closed one still holds
    await page.getByLabel("Open a session or an action log").setInputFiles(path);
    await standsAt(page, tick);
    expect(await hashNow(page)).toBe(hash);
  });

  it("a clip holds every frame that was played, through pause, rewinding, scrubbing and leaving the world", async () => {
    const page = await openPage();
    await page.evaluate(() => {
      const seen = { played: 0 };
      window.worldloop?.session.loop.frames.subscribe(({ action }) => {
        if (document.getElementById("clip")?.getAttribute("aria-pressed") === "true" && action) seen.played += 1;
      });
      Object.assign(window, { seen });
    });
    await passes(page, 20);
    await page.locator("#clip").click();
    await page.waitForSelector('#clip[aria-pressed="true"]');
    const from = await page.evaluate(() => Number(document.body.dataset.tick));
    await passes(page, from + 15);
    await pause(page);
    await page.keyboard.down("Backspace");
    await page.waitForFunction((from) => Number(document.body.dataset.tick) <= from + 8, from);
    await page.keyboard.up("Backspace");
    await page.waitForSelector('[data-worldloop-state="paused"]');
    await page.getByRole("slider", { name: "Time" }).focus();
    await page.keyboard.press("Home");
    await standsAt(page, 0);
    await page.keyboard.press("PageUp");
    await standsAt(page, 25);
    await page.keyboard.press("KeyP");
    await passes(page, 35);
    await pause(page);
    const played = await page.evaluate("seen.played");
    const [clip] = await Promise.all([
      page.waitForEvent("download"),
      page.evaluate(() => location.assign("#world=pong")),
    ]);
    const video = new Input({ source: new BufferSource(await readFile(await clip.path())), formats: ALL_FORMATS });
    const track = await video.getPrimaryVideoTrack();
    if (!track) throw new Error("no video in the clip");
    let frames = 0;
    for await (const _ of new EncodedPacketSink(track).packets()) frames += 1;
    expect(frames).toBe(played);
    expect(await video.computeDuration()).toBeCloseTo(frames / 25, 3);
  });
});
