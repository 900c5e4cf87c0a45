import { expose, transfer } from "comlink";
import { afterEach, describe, expect, it, vi } from "vitest";
import { ActionError } from "../errors";
import type { Manifest } from "./manifest";
import type { WorkerApi } from "./worker-api";
import { type OpenWorldOptions, openWorld, type WorkerSource } from "./worker-client";
import type { WorkerLike } from "./worker-connection";
import type { Frame, Snapshot } from "./world";

/** A world of one number: the sum of its seed, its actions and its guides, drawn as one pixel. An action of 0 is refused, −1 never ends, −2 traps. */
function sumWorld(): WorkerApi {
  let sum = 0;
  let tick = 0;
  const frame = (): Frame => {
    const rgba = Uint8ClampedArray.of(sum, 0, 0, 255);
    return transfer({ rgba, width: 1, height: 1, tick }, [rgba.buffer]);
  };
  return {
    async open(options, onProgress) {
      onProgress({ loaded: 1, total: 2, phase: "download" });
      return {
        manifest: {} as Manifest,
        backend: { name: "fake", threads: 1 },
        packageSha256: "ab",
        files: [String(options.url)],
      };
    },
    async reset({ seed }) {
      sum = seed;
      tick = 0;
      return frame();
    },
    async readWords() {
      return Uint8Array.of(1);
    },
    async step(action, _, guide) {
      const value = action[0] ?? 0;
      if (value === 0) throw new ActionError("push: expected something else than 0");
      if (value === -1) return new Promise(() => undefined);
      if (value === -2) throw new WebAssembly.RuntimeError("unreachable");
      sum += value + (guide?.[0] ?? 0);
      tick += 1;
      return frame();
    },
    async rewind(ticks) {
      tick -= ticks;
      return frame();
    },
    status: async () => ({ rewindable: tick, kvFilled: 0, kvSlots: 0 }),
    snapshot: async () =>
      ({ seed: sum, tick, latent: new Float32Array(1), slots: [], frame: frame() }) as unknown as Snapshot,
    async restore(snapshot) {
      sum = snapshot.seed;
      tick = snapshot.tick;
      return frame();
    },
    readStart: async () => ({ width: 1, height: 1, rgb: new Uint8Array(3) }),
    keep: async () => [],
    close: async () => undefined,
  };
}

/** Stands in for a worker: comlink over a message channel, an error event on demand. */
function fakeWorkers(make: () => WorkerApi = sumWorld, patienceMs = 10_000) {
  const started: { crash(message: string): void; terminated: boolean }[] = [];
  const ports: MessagePort[] = [];
  const source: WorkerSource = {
    patienceMs,
    start() {
      const { port1, port2 } = new MessageChannel();
      ports.push(port1, port2);
      port1.start();
      expose(make(), port2);
      const errors = new EventTarget();
      const state = {
        terminated: false,
        crash: (message: string) => errors.dispatchEvent(Object.assign(new Event("error"), { message })),
      };
      started.push(state);
      const worker: Pick<WorkerLike, "postMessage" | "terminate"> & Record<string, unknown> = {
        postMessage: port1.postMessage.bind(port1) as WorkerLike["postMessage"],
        addEventListener: (type: string, listener: EventListener) =>
          (type === "message" ? port1 : errors).addEventListener(type, listener),
        removeEventListener: (type: string, listener: EventListener) =>
          (type === "message" ? port1 : errors).removeEventListener(type, listener),
        terminate: () => {
          state.terminated = true;
          port2.close();
        },
      };
      return worker as unknown as WorkerLike;
    },
  };
  return { source, started, closePorts: () => ports.map((port) => port.close()) };
}

let workers = fakeWorkers();
const open = (options: Partial<OpenWorldOptions> = {}) =>
  openWorld({ url: "http://host/worlds/sum/", ...options }, workers.source);
const push = (value: number) => Float32Array.of(value);
const red = (frame: Frame) => frame.rgba[0];

afterEach(() => {
  workers.closePorts();
  workers = fakeWorkers();
});

describe("worker client", () => {
  it("hands a guide over, and keeps it with the page", async () => {
    const world = await open();
    await world.reset({ seed: 5 });
    const guide = Uint8Array.of(30);
    expect(red(await world.step(push(2), undefined, guide))).toBe(37);
    expect(guide).toEqual(Uint8Array.of(30));
    await world.close();
  });

  it("opens, reports progress, plays", async () => {
    const onProgress = vi.fn();
    const world = await open({ onProgress });
    expect(world.files).toEqual(["http://host/worlds/sum/"]);
    await vi.waitFor(() => expect(onProgress).toHaveBeenCalledWith({ loaded: 1, total: 2, phase: "download" }));
    expect(red(await world.reset({ seed: 5 }))).toBe(5);
    expect(red(await world.step(push(2)))).toBe(7);
  });

  it("keeps the name of a worker's error, and goes on after it", async () => {
    const world = await open();
    await world.reset({ seed: 5 });
    await expect(world.step(push(0))).rejects.toMatchObject({ name: "ActionError", message: /push/ });
    expect(red(await world.step(push(1)))).toBe(6);
  });

  it("rejects what is pending when the worker dies, tells it once, and comes back to the exact tick", async () => {
    const onCrash = vi.fn();
    const world = await open({ onCrash });
    await world.reset({ seed: 1 });
    for (let i = 0; i < 60; i++) await world.step(push(1));
    const pending = world.step(push(-1));
    workers.started[0]?.crash("out of memory");
    await expect(pending).rejects.toMatchObject({ name: "WorkerCrashError", message: /out of memory/ });
    await expect(world.status()).rejects.toMatchObject({ name: "WorkerCrashError" });
    expect(onCrash).toHaveBeenCalledTimes(1);
    expect(workers.started[0]?.terminated).toBe(true);
    const frame = await world.restart();
    expect([frame.tick, red(frame)]).toEqual([60, 61]);
    expect(red(await world.step(push(1)))).toBe(62);
  });

  it("counts a silent worker as dead", async () => {
    workers = fakeWorkers(sumWorld, 50);
    const world = await open();
    await world.reset({ seed: 1 });
    await expect(world.step(push(-1))).rejects.toMatchObject({ name: "WorkerCrashError", message: /no answer/ });
    expect((await world.restart()).tick).toBe(0);
  });

  it("counts a trap in the WASM module as death", async () => {
    const onCrash = vi.fn();
    const world = await open({ onCrash });
    await world.reset({ seed: 1 });
    await expect(world.step(push(-2))).rejects.toMatchObject({ name: "WorkerCrashError", message: /unreachable/ });
    expect(onCrash).toHaveBeenCalledTimes(1);
  });

  it("can try again after a failed start", async () => {
    let failures = 0;
    workers = fakeWorkers(() => {
      const api = sumWorld();
      if (failures === 0) return api;
      failures -= 1;
      return { ...api, open: () => Promise.reject(new ActionError("no luck")) };
    });
    const world = await open();
    await world.reset({ seed: 3 });
    world.kill();
    failures = 1;
    await expect(world.restart()).rejects.toMatchObject({ name: "ActionError" });
    expect(workers.started[1]?.terminated).toBe(true);
    expect(red(await world.restart())).toBe(3);
  });

  it("refuses to go on with another package", async () => {
    let sha = "ab";
    workers = fakeWorkers(() => {
      const api = sumWorld();
      return { ...api, open: async (...call) => ({ ...(await api.open(...call)), packageSha256: sha }) };
    });
    const world = await open();
    await world.reset({ seed: 3 });
    world.kill();
    sha = "cd";
    await expect(world.restart()).rejects.toMatchObject({ name: "ResetError" });
  });

  it("aborts, before and while it works", async () => {
    await expect(open({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: "AbortedError" });
    const controller = new AbortController();
    const onCrash = vi.fn();
    const world = await open({ signal: controller.signal, onCrash });
    await world.reset({ seed: 1 });
    const pending = world.step(push(-1));
    controller.abort();
    await expect(pending).rejects.toMatchObject({ name: "AbortedError" });
    expect(workers.started.map((worker) => worker.terminated)).toEqual([true, true]);
    expect(onCrash).not.toHaveBeenCalled();
  });

  it("closes twice, and then refuses", async () => {
    const world = await open();
    await world.close();
    await world.close();
    await expect(world.step(push(1))).rejects.toMatchObject({ name: "StateError" });
    await expect(world.restart()).rejects.toMatchObject({ name: "StateError" });
  });

  it.each(["opened", "played again"])(
    "closes while a restarted worker is being %s, and leaves none behind",
    async (when) => {
      const stuck = vi.fn(() => new Promise<never>(() => undefined));
      let first = true;
      workers = fakeWorkers(() => {
        const api = sumWorld();
        if (!first) return { ...api, ...(when === "opened" ? { open: stuck } : { reset: stuck }) };
        first = false;
        return api;
      });
      const world = await open();
      await world.reset({ seed: 1 });
      const restarting = world.restart();
      await vi.waitFor(() => expect(stuck).toHaveBeenCalled());
      await world.close();
      await expect(restarting).rejects.toMatchObject({ name: "StateError", message: /closed/ });
      expect(workers.started.map((worker) => worker.terminated)).toEqual([true, true]);
    },
  );

  it("comes back to the branch that was played, and can still go to the other", async () => {
    const world = await open();
    await world.reset({ seed: 1 });
    for (let i = 0; i < 60; i++) await world.step(push(1));
    await world.rewind(20);
    for (let i = 0; i < 5; i++) await world.step(push(2));
    world.kill();
    const back = await world.restart();
    expect([back.tick, red(back)]).toEqual([45, 51]);
    expect(world.journal.branches().map(({ end }) => end)).toEqual([60, 45]);
    const old = await world.seek({ branch: 0, tick: 60 });
    expect([old.tick, red(old)]).toEqual([60, 61]);
  });

  it("has nothing to restart before the first reset", async () => {
    const world = await open();
    world.kill();
    await expect(world.restart()).rejects.toMatchObject({ name: "StateError" });
  });
});
