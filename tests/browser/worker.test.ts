/** The worker and its client in a real browser, on the fixture world. */
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import { openWorldNode } from "../../src/model/node-runtime";
import { launchBrowser } from "../setup/browser";

const WORLD = "/worlds/tiny/";
let browser: BrowserContext;

beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser.close());

async function openPage(
  context = browser,
  options: { readonly isolated: boolean } = { isolated: true },
): Promise<Page> {
  const page = await context.newPage();
  if (!options.isolated) {
    await page.route("**/client.html", async (route) => {
      const response = await route.fetch();
      const headers = response.headers();
      delete headers["cross-origin-opener-policy"];
      delete headers["cross-origin-embedder-policy"];
      await route.fulfill({ response, headers });
    });
  }
  await page.goto(inject("pages").client);
  await page.waitForFunction(() => "client" in window);
  return page;
}

/** What is opened, and what shall run it. */
interface Wanted {
  readonly url: string;
  readonly engine?: "own" | "ort";
  readonly backend?: "wasm" | "webgpu";
  readonly threads?: number;
}

/** The frames of a short drive, as plain numbers. */
function drive(page: Page, options: Wanted, ticks: number) {
  return page.evaluate(
    async ([options, ticks]) => {
      const world = await window.client.openWorld(options);
      await world.reset({ seed: 3 });
      const frames: number[][] = [];
      for (let i = 0; i < ticks; i++) {
        const action = Float32Array.from(world.manifest.actions, ({ min, max }) => (i % 2 ? min : max));
        frames.push([...(await world.step(action)).rgba]);
      }
      const { backend } = world;
      await world.close();
      return { frames, backend };
    },
    [options, ticks] as const,
  );
}

/** The error's name and message, or what came instead. */
function refusal(page: Page, options: Wanted) {
  return page.evaluate(
    (options) =>
      window.client.openWorld(options).then(
        (world) => ({ name: "none", message: JSON.stringify(world.backend) }),
        ({ name, message }: Error) => ({ name, message }),
      ),
    options,
  );
}

describe("the world in a worker", () => {
  it.each(["own", "ort"] as const)("keeps the contract of a world on engine %s", async (engine) => {
    const page = await openPage();
    const checks = await page.evaluate(
      ([url, engine]) => window.client.checkWorld(() => window.client.openWorld({ url, engine, backend: "wasm" })),
      [WORLD, engine] as const,
    );
    expect(checks.length).toBeGreaterThan(5);
    expect(checks.filter((check) => !check.passed)).toEqual([]);
  });

  it("reports its download and says what runs", async () => {
    const page = await openPage();
    const seen = await page.evaluate(async (url) => {
      const progress: { loaded: number; total: number; phase: string }[] = [];
      const world = await window.client.openWorld({ url, backend: "wasm", onProgress: (step) => progress.push(step) });
      const picture = await world.readStart(0);
      const { backend, files, packageSha256, manifest } = world;
      const cores = navigator.hardwareConcurrency;
      return { progress, backend, files, packageSha256, size: manifest.picture, start: picture.rgb.length, cores };
    }, WORLD);
    const last = seen.progress.at(-1);
    expect(last?.phase).toBe("session");
    expect(last?.loaded).toBe(last?.total);
    expect(seen.progress.filter(({ phase }) => phase === "download").at(-1)?.loaded).toBe(last?.total);
    expect(seen.backend).toEqual({ name: "wasm", threads: Math.min(4, seen.cores) });
    expect(seen.files).toContain("tick.onnx");
    expect(seen.packageSha256).toMatch(/^[0-9a-f]{64}$/);
    expect(seen.start).toBe(seen.size.width * seen.size.height * 3);
  });

  it("runs on our own engine by itself, without fetching onnxruntime, and as Node does", async () => {
    const page = await openPage();
    const fetched: string[] = [];
    page.on("request", (request) => fetched.push(request.url()));
    const { frames, backend } = await drive(page, { url: WORLD }, 8);
    expect(backend).toMatchObject({ name: "own", threads: 1, arithmetic: expect.stringMatching(/SIMD, float32$/) });
    expect(fetched.filter((url) => url.includes("ort"))).toEqual([]);
    const { world } = await openWorldNode("tests/goldens/tiny-world", { engine: "own" });
    expect(world.backend).toEqual(backend); // the same instruction set: the same bits
    await world.reset({ seed: 3 });
    for (const [tick, frame] of frames.entries()) {
      const action = Float32Array.from(world.manifest.actions, ({ min, max }) => (tick % 2 ? min : max));
      expect([...(await world.step(action)).rgba]).toEqual(frame);
    }
    await world.close();
  });

  it.each(["own", "ort"] as const)("gives the same frames on one thread and on two of engine %s", async (engine) => {
    const page = await openPage();
    const one = await drive(page, { url: WORLD, engine, backend: "wasm", threads: 1 }, 8);
    const two = await drive(page, { url: WORLD, engine, backend: "wasm", threads: 2 }, 8);
    expect([one.backend.threads, two.backend.threads]).toEqual([1, 2]);
    expect(two.frames).toEqual(one.frames);
  });

  it("goes on at the exact tick after its worker was killed", async () => {
    const page = await openPage();
    const result = await page.evaluate(async (url) => {
      const crashes: string[] = [];
      const onCrash = (error: Error) => crashes.push(error.name);
      const world = await window.client.openWorld({ url, backend: "wasm", onCrash });
      const action = Float32Array.from(world.manifest.actions, ({ max }) => max);
      const play = async (kill: boolean) => {
        await world.reset({ seed: 9 });
        let last = 0;
        for (let i = 0; i < 60; i++) last = (await world.step(action)).tick;
        if (kill) {
          const pending = world.step(action).catch((error: Error) => error.name);
          world.kill();
          crashes.push(`pending: ${await pending}`);
          last = (await world.restart()).tick;
        }
        return { last, next: [...(await world.step(action)).rgba] };
      };
      return { undisturbed: await play(false), killed: await play(true), crashes };
    }, WORLD);
    expect(result.killed).toEqual(result.undisturbed);
    expect(result.killed.last).toBe(60);
    expect(result.crashes.sort()).toEqual(["WorkerCrashError", "pending: WorkerCrashError"]);
  });

  it("stops a download when aborted", async () => {
    const page = await openPage();
    await page.route("**/tick.onnx?*", () => undefined); // never answers
    const outcome = await page.evaluate(async (url) => {
      const controller = new AbortController();
      const opening = window.client.openWorld({
        url,
        signal: controller.signal,
        onProgress: () => controller.abort(), // the other files have begun to come
      });
      return opening.then(
        () => "opened",
        (error: Error) => error.name,
      );
    }, WORLD);
    expect(outcome).toBe("AbortedError");
  });
});

describe("what is refused", () => {
  it("a package with one changed byte", async () => {
    const page = await openPage();
    await page.route("**/tick.onnx?*", async (route) => {
      const response = await route.fetch();
      const body = await response.body();
      body[body.length - 1] = (body.at(-1) ?? 0) ^ 1;
      await route.fulfill({ response, body });
    });
    expect(await refusal(page, { url: WORLD })).toMatchObject({
      name: "FileMismatchError",
      message: expect.stringContaining("tick.onnx: expected sha256"),
    });
  });

  it("a world that isn't there", async () => {
    const page = await openPage();
    expect((await refusal(page, { url: "/worlds/nowhere/" })).name).toBe("MissingFileError");
  });

  it("WebGPU where there is none, rather than running something else", async () => {
    const page = await openPage();
    expect(await refusal(page, { url: WORLD, backend: "webgpu" })).toMatchObject({
      name: "BackendError",
      message: expect.stringContaining("adapter"),
    });
  });

  it("two threads where the page isn't isolated; by itself it takes one", async () => {
    const page = await openPage(browser, { isolated: false });
    expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
    expect((await refusal(page, { url: WORLD, threads: 2 })).name).toBe("BackendError");
    const { backend } = await drive(page, { url: WORLD }, 1);
    expect(backend).toMatchObject({ name: "own", threads: 1 });
    const ort = await drive(page, { url: WORLD, backend: "wasm" }, 1);
    expect(ort.backend).toEqual({ name: "wasm", threads: 1 });
  });
});

describe("WebGPU", () => {
  it("gives the frames that WASM gives", async ({ skip }) => {
    const context = await launchBrowser({ graphics: "webgpu" });
    try {
      const page = await openPage(context);
      const hasAdapter = await page.evaluate(async () => (await navigator.gpu?.requestAdapter()) !== null);
      if (!hasAdapter) skip("This Chromium has no WebGPU adapter, not even a software one.");
      const wasm = await drive(page, { url: WORLD, backend: "wasm" }, 8);
      const webgpu = await drive(page, { url: WORLD, backend: "webgpu" }, 8);
      expect(webgpu.backend).toEqual({ name: "webgpu", threads: 1 });
      const differences = wasm.frames.flatMap((frame, tick) =>
        frame.map((value, i) => Math.abs(value - (webgpu.frames[tick]?.[i] ?? Number.NaN))),
      );
      expect(Math.max(...differences)).toBeLessThanOrEqual(2); // levels of 255; sums are ordered differently on a GPU
    } finally {
      await context.close();
    }
  });
});
