/**
 * Our own engine on WebGPU beside the one in WebAssembly, in a Chromium whose GPU is the processor: what it computes is
 * checked here, not how fast.
 */
import type { Page } from "playwright-core";
import { beforeEach, expect, inject, type TestContext, test } from "vitest";
import { usePages } from "../setup/pages";

const pages = usePages({ graphics: "webgpu" });
let page: Page;

beforeEach(async ({ skip }: TestContext) => {
  page = await pages.visit(inject("pages").client);
  await page.waitForFunction(() => "client" in window);
  const hasAdapter = await page.evaluate(async () => !!(await navigator.gpu?.requestAdapter()));
  if (!hasAdapter) skip("This Chromium has no WebGPU adapter, not even a software one.");
});

test("every operator and pattern gives what WebAssembly gives", async () => {
  const { wrong, graphs } = await page.evaluate(() => window.client.comparePatterns());
  expect(wrong).toEqual([]);
  expect(graphs).toBeGreaterThan(100);
});

test.each(["pong", "doom-hall"])("%s: from the same state both make the same tick", async (name) => {
  const worst = await page.evaluate((name) => window.client.compareTicks(`/worlds/${name}/`, 4), name);
  expect(worst.backend).toMatchObject({
    name: "own",
    machine: "webgpu",
    arithmetic: expect.stringMatching(/^WebGPU.*, float32$/),
  });
  expect(worst.latent).toBeLessThan(2e-3);
  expect(worst.slot).toBeLessThan(2e-2);
  expect(worst.pixel).toBeLessThanOrEqual(1);
});

test("a device that is lost costs no tick: WebAssembly goes on, and says why", async () => {
  const { before, after, pixel, tick } = await page.evaluate(() => window.client.loseDevice("/worlds/tiny/", 5));
  expect(before.machine).toBe("webgpu");
  expect(after).toMatchObject({
    name: "own",
    machine: "wasm",
    arithmetic: expect.stringMatching(/SIMD, float32$/),
    detail: expect.stringMatching(/^WebGPU: .*the device was lost/),
  });
  expect(tick).toBe(10);
  expect(pixel).toBeLessThanOrEqual(2);
});

test("in a worker it is asked for by engine and backend", async () => {
  const { backend, frame } = await page.evaluate(async () => {
    const world = await window.client.openWorld({ url: "/worlds/tiny/", engine: "own", backend: "webgpu" });
    await world.reset({ seed: 3 });
    const frame = await world.step(Float32Array.from(world.manifest.actions, ({ max }) => max));
    const { backend } = world;
    await world.close();
    return { backend, frame: Object.keys(frame).sort() };
  });
  expect(backend).toMatchObject({ name: "own", threads: 1, machine: "webgpu" });
  expect(frame).toEqual(["height", "rgba", "tick", "width"]);
});
