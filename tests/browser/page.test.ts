/** The built page with a world open, played the way a person plays it. */
import { statSync } from "node:fs";
import type { Page } from "playwright-core";
import { describe, expect, inject, it } from "vitest";
import { formatHash, packActions, parseHash } from "../../src/record/share-link";
import { usePages } from "../setup/pages";

const pages = usePages();

const openPage = (prepare?: (page: Page) => Promise<unknown>, address = "#world=car-racing") =>
  pages.open(address, prepare);

/** CSS px. */
const SHORT_SCREENS = [
  [320, 480],
  [568, 320],
  [640, 360],
  [640, 400],
  [667, 375],
  [740, 520],
] as const;

const isState = (page: Page, state: string) => page.waitForSelector(`[data-worldloop-state="${state}"]`);
const passes = (page: Page, tick: number) =>
  page.waitForFunction((tick) => Number(document.body.dataset.tick) >= tick, tick);
const newest = (page: Page) =>
  page.evaluate(() => {
    const frame = window.worldloop?.frame();
    if (!frame) throw new Error("no frame yet");
    return { tick: frame.tick, rgba: [...frame.rgba] };
  });

/** Paused, and the step that was in flight has been shown. */
async function standsStill(page: Page): Promise<void> {
  await isState(page, "paused");
  await page.evaluate(() => window.worldloop?.world.status());
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve)));
}

/** Plays a little, then holds still, so that a test steps by hand. */
async function openPaused(prepare?: (page: Page) => Promise<unknown>, address?: string): Promise<Page> {
  const page = await openPage(prepare, address);
  await isState(page, "running");
  await passes(page, 5);
  await page.keyboard.press("KeyP");
  await standsStill(page);
  return page;
}

/** One tick by the step key; the frame it gave. */
async function stepOnce(page: Page) {
  const { tick } = await newest(page);
  await page.keyboard.press("Period");
  await passes(page, tick + 1);
  return newest(page);
}

/** Four steps from a snapshot with something held; then the snapshot's state again. */
async function branch(page: Page, hold: () => Promise<unknown>, letGo: () => Promise<unknown>): Promise<number[]> {
  const snapshot = await page.evaluateHandle(() => window.worldloop?.world.snapshot());
  const tick = await snapshot.evaluate((snapshot) => snapshot?.tick ?? Number.NaN);
  await hold();
  for (let i = 0; i < 4; i++) {
    await page.keyboard.press("Period");
    await passes(page, tick + 1 + i);
  }
  const { rgba } = await newest(page);
  await letGo();
  await page.evaluate(async (snapshot) => {
    if (snapshot) await window.worldloop?.world.restore(snapshot);
    document.body.dataset.tick = String(snapshot?.tick); // restored behind the page's back
  }, snapshot);
  return rgba;
}

/** The keys of the world's first action that goes both ways. */
const steering = (page: Page) =>
  page.evaluate(() => {
    const action = window.worldloop?.world.manifest.actions.find(({ min, max }) => min < 0 && max > 0);
    const keys = Object.entries(action?.keys ?? {});
    return { down: keys.find(([, value]) => value < 0)?.[0] ?? "", up: keys.find(([, value]) => value > 0)?.[0] ?? "" };
  });

describe("the page", () => {
  it("plays at once, and says what runs", async () => {
    const page = await openPage();
    await isState(page, "running");
    await passes(page, 30);
    const { rgba } = await newest(page);
    expect(new Set(rgba).size).toBeGreaterThan(8); // a picture, not a colour
    const backend = await page.evaluate(() => window.worldloop?.world.backend);
    expect(backend).toMatchObject({ name: "own", threads: 1 });
    await page.waitForFunction(
      (expected) => document.getElementById("hud")?.textContent?.includes(expected),
      `${backend?.name} × ${backend?.threads}`,
    );
    const marks = await page.evaluate(() => performance.getEntriesByType("mark").map(({ name }) => name));
    expect(marks).toEqual(expect.arrayContaining(["worldloop:interactive", "worldloop:first-frame"]));
    expect(pages.said.filter((line) => line.startsWith("uncaught") || line.startsWith("error"))).toEqual([]);
  });

  it("lets no script in but its own, nor anything out", async () => {
    const page = await openPage();
    await isState(page, "running");
    const outcome = await page.evaluate(async () => {
      const refused: string[] = [];
      document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
      document.body.append(Object.assign(document.createElement("script"), { textContent: "window.evil = 1" }));
      const sent = await fetch("http://example.org/").catch((error: Error) => error.name); // https: worlds from elsewhere
      await new Promise((resolve) => setTimeout(resolve, 100));
      return { refused: [...new Set(refused)], sent, ran: "evil" in window };
    });
    expect(outcome).toEqual({ refused: ["script-src-elem", "connect-src"], sent: "TypeError", ran: false });
  });

  it("draws the newest frame on its canvas", async () => {
    const page = await openPaused();
    await page.keyboard.press("Escape"); // puts the help away that lies over the picture
    const before = await page.locator("#view").screenshot();
    const { down } = await steering(page);
    await page.keyboard.down(down);
    for (let i = 0; i < 8; i++) await stepOnce(page);
    expect((await page.locator("#view").screenshot()).equals(before)).toBe(false);
  });

  it("is driven by the keyboard: one state, other keys, other frames", async () => {
    const page = await openPaused();
    const { down, up } = await steering(page);
    const held = (key: string) =>
      branch(
        page,
        () => page.keyboard.down(key),
        () => page.keyboard.up(key),
      );
    const left = await held(down);
    const right = await held(up);
    expect(left).not.toEqual(right);
  });

  it("answers a key while it runs", async () => {
    const page = await openPage();
    await isState(page, "running");
    await passes(page, 5);
    const { up } = await steering(page);
    await page.keyboard.press(up, { delay: 200 });
    await page.waitForFunction(() => (window.worldloop?.stats().inputToFrameTicks.length ?? 0) > 0);
  });

  it("is driven by a gamepad", async () => {
    const page = await openPaused((page) =>
      page.addInitScript(() => {
        const axes = [0, 0, 0, 0];
        const buttons = Array.from({ length: 17 }, () => ({ value: 0, pressed: false, touched: false }));
        const pad = { id: "Test pad", index: 0, mapping: "standard", connected: true, timestamp: 0, axes, buttons };
        navigator.getGamepads = () => [pad as unknown as Gamepad, null, null, null];
        Object.assign(window, { steerPad: (x: number) => axes.splice(0, 1, x) });
      }),
    );
    const steer = (x: number) => page.evaluate(`steerPad(${x})`);
    const held = (x: number) =>
      branch(
        page,
        () => steer(x),
        () => steer(0),
      );
    const left = await held(-1);
    const right = await held(1);
    expect(left).not.toEqual(right);
  });

  it("rewinds to the exact frame, and branches off from there", async () => {
    const page = await openPaused((page) =>
      page.addInitScript(() => {
        const seen: Record<number, number[]> = {}; // every frame as it was when its tick came first
        document.addEventListener("worldloop:frame", () => {
          const frame = window.worldloop?.frame();
          if (frame) seen[frame.tick] ??= [...frame.rgba];
        });
        Object.assign(window, { seen });
      }),
    );
    const { down } = await steering(page);
    await page.keyboard.down(down);
    for (let i = 0; i < 8; i++) await stepOnce(page);
    await page.keyboard.up(down);
    const { tick } = await newest(page);
    await page.keyboard.down("Backspace");
    await page.waitForFunction((tick) => Number(document.body.dataset.tick) <= tick, tick - 4);
    await page.keyboard.up("Backspace");
    await standsStill(page);
    const back = await newest(page);
    expect(back.tick).toBeLessThanOrEqual(tick - 4);
    expect(back.rgba).toEqual(await page.evaluate(`seen[${back.tick}]`));
    expect((await stepOnce(page)).tick).toBe(back.tick + 1);
  });

  it("says that its worker died, and goes on from the same frame", async () => {
    const page = await openPaused();
    const before = await newest(page);
    await page.evaluate(() => window.worldloop?.world.kill());
    await isState(page, "crashed");
    expect(await page.locator("#alert").textContent()).toContain("WorkerCrashError");
    const restarted = page.evaluate(
      () =>
        new Promise<{ tick: number; rgba: number[] }>((resolve) => {
          const listen = () => {
            const frame = window.worldloop?.frame();
            if (frame) resolve({ tick: frame.tick, rgba: [...frame.rgba] });
          };
          document.addEventListener("worldloop:frame", listen, { once: true });
        }),
    );
    await page.getByRole("button", { name: "Restart" }).click();
    expect(await restarted).toEqual(before);
    await isState(page, "running");
    await passes(page, before.tick + 5);
  });

  it("keeps a shared link through a failed first reset, and restarts into its drive", async () => {
    const drive = Array.from({ length: 40 }, () => Float32Array.of(0.5, 0.25, 0));
    const link = formatHash({ world: "car-racing", seed: 7, start: 1, replay: await packActions(drive) });
    const dieAtOnce = (page: Page) =>
      page.addInitScript(() => {
        let held: Window["worldloop"];
        Object.defineProperty(window, "worldloop", {
          get: () => held,
          set(value: NonNullable<Window["worldloop"]>) {
            held = value;
            value.world.kill();
          },
        });
      });
    const page = await openPage(dieAtOnce, link);
    await isState(page, "crashed");
    await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 100)));
    expect(new URL(page.url()).hash).toBe(link);
    await page.getByRole("button", { name: "Restart" }).click();
    await passes(page, 5);
    const played = await page.evaluate(() => ({
      from: window.worldloop?.session.beginning.value,
      first: [...(window.worldloop?.session.actions()[0] ?? [])],
    }));
    expect(played).toEqual({ from: { seed: 7, start: 1 }, first: [0.5, 0.25, 0] });
    expect(await page.locator("#seed").inputValue()).toBe("7");
    expect(new URL(page.url()).hash).toBe(link);
  });

  it.each([
    ["Start fresh", [0, 0, 0]],
    ["Play on with its actions", [0.5, 0.25, 0]],
  ] as const)("asks before it replays a drive of another version of the world: %s", async (label, first) => {
    const replay = await packActions(Array.from({ length: 200 }, () => Float32Array.of(0.5, 0.25, 0)));
    const shared = { world: "car-racing", seed: 7, start: 1, package: "0123456789abcdef", replay };
    const page = await openPage(undefined, formatHash(shared));
    await page.getByText("made with another version of this world").waitFor();
    await page.getByRole("button", { name: label }).click();
    await passes(page, 3);
    expect(await page.evaluate(() => [...(window.worldloop?.session.actions()[0] ?? [])])).toEqual(first);
  });

  it("shares links to the folder that it found the world in, and opens them again without a question", async () => {
    const elsewhere = (page: Page) =>
      Promise.all([
        page.route("**/worlds/index.json", (route) => route.fulfill({ json: ["copied", "pong"] })),
        page.route("**/worlds/copied/**", async (route) => {
          const url = route.request().url().replace("/copied/", "/car-racing/");
          await route.fulfill({ response: await route.fetch({ url }) });
        }),
      ]);
    const page = await openPaused(elsewhere, "#world=copied");
    await page.locator("#share").click();
    await page.getByLabel("With my drive").check();
    await page.waitForFunction(() => document.querySelector<HTMLInputElement>("#link")?.value.includes("replay="));
    const { hash } = new URL(await page.locator("#link").inputValue());
    const { world, package: mark, made } = parseHash(hash);
    expect(world).toBe("copied");
    expect(made).toMatch(/^(own, .*(float32|int8)|wasm|webgpu)$/);
    expect(await page.evaluate(() => window.worldloop?.world.packageSha256)).toMatch(new RegExp(`^${mark}`));
    const same = await openPage(elsewhere, hash);
    await passes(same, 3);
    expect(await same.getByText("Nearly the drive").count()).toBe(0);
    const other = await openPage(elsewhere, hash.replace(/made=[^&]*/, "made=an%20abacus"));
    await other.getByText(/made on another engine \(an abacus; here runs /).waitFor();
  });

  it("saves the clip that is being recorded when the world is left for another, and asks before the page is", async () => {
    const page = await openPage();
    await isState(page, "running");
    await page.locator("#clip").click();
    await page.getByText(/Stop · [1-9]/).waitFor();
    const asked = page.waitForEvent("dialog");
    await page.evaluate(() => void setTimeout(() => location.reload()));
    const dialog = await asked;
    expect(dialog.type()).toBe("beforeunload");
    await dialog.dismiss();
    const [clip] = await Promise.all([
      page.waitForEvent("download"),
      page.evaluate(() => {
        location.hash = "#world=pong";
      }),
    ]);
    expect(clip.suggestedFilename()).toMatch(/^car-racing-seed1-clip\.(mp4|webm)$/);
    expect(statSync(await clip.path()).size).toBeGreaterThan(1000);
    await page.waitForFunction(() => window.worldloop?.world.manifest.name === "pong");
  });

  it("says that a clip is empty when the world is left before a frame was made", async () => {
    const page = await openPage();
    await isState(page, "running");
    for (const [hash, place] of [
      ["#world=pong", "#notices"],
      ["#", "#gallery-notices"],
    ] as const) {
      await page.evaluate(() => window.worldloop?.session.loop.pause("Paused."));
      await page.locator("#clip").click();
      await page.getByText("Stop · 0 s").waitFor();
      await page.evaluate((hash) => {
        location.hash = hash;
      }, hash);
      await page.locator(place).getByText("no frame was made while recording").waitFor();
      if (hash !== "#") await page.waitForFunction(() => window.worldloop?.world.manifest.name === "pong");
    }
  });

  it("offers a way out of a link that the world can't begin at", async () => {
    const page = await openPage(undefined, "#world=car-racing&seed=7&start=99");
    await isState(page, "error");
    expect(await page.locator("#alert").textContent()).toContain("start: expected an integer from 0 to");
    await page.getByRole("button", { name: "Begin afresh" }).click();
    await isState(page, "running");
  });

  it("refuses a corrupted package by name", async () => {
    const page = await openPage((page) =>
      page.route("**/tick.onnx?*", async (route) => {
        const response = await route.fetch();
        const body = await response.body();
        body[body.length - 1] = (body.at(-1) ?? 0) ^ 1;
        await route.fulfill({ response, body });
      }),
    );
    await isState(page, "error");
    const alert = await page.locator("#alert").textContent();
    expect(alert).toContain("FileMismatchError");
    expect(alert).toContain("tick.onnx: expected sha256");
  });

  it("runs on one thread where it isn't cross-origin isolated, and says so", async () => {
    const page = await openPage((page) =>
      page.route(
        ({ origin, pathname }) => origin + pathname === inject("pages").built,
        async (route) => {
          const response = await route.fetch();
          const headers = response.headers();
          delete headers["cross-origin-opener-policy"];
          delete headers["cross-origin-embedder-policy"];
          await route.fulfill({ response, headers });
        },
      ),
    );
    await isState(page, "running");
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
    await page.waitForFunction(() => document.getElementById("hud")?.textContent?.includes("own × 1"));
  });

  it("fits a phone", async () => {
    const page = await openPage((page) => page.setViewportSize({ width: 390, height: 844 }));
    await isState(page, "running");
    await passes(page, 2);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(390);
    const box = await page.locator("#view").boundingBox();
    expect(box?.width).toBeGreaterThan(300);
  });

  it("keeps every control on a short screen, a phone's on its side or a page at 200 %", async () => {
    const page = await openPaused();
    for (const [width, height] of SHORT_SCREENS) {
      await page.setViewportSize({ width, height });
      const outside = await page.evaluate(() =>
        [document.documentElement, ...document.querySelectorAll("header :is(button, select, input), #controls button")]
          .filter((element) => {
            const { left, right, top, bottom } = element.getBoundingClientRect();
            return (
              left < 0 || top < 0 || right > innerWidth || bottom > innerHeight || element.scrollWidth > innerWidth
            );
          })
          .map(({ id, tagName }) => id || tagName),
      );
      expect({ width, height, outside }).toEqual({ width, height, outside: [] });
    }
  });
});
