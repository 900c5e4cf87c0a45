/**
 * The model worker: opens one package, keeps one world, hands frames out by transfer. Everything it does is in
 * `src/model`; its top level only answers to the page. Being ended and started again is the client's (`worker-client.ts`).
 */
import { expose, type Remote, releaseProxy, transfer } from "comlink";
import { ResetError, StateError } from "../src/errors";
import { createWorld } from "../src/model/create-world";
import { chooseEngine, ortEngine } from "../src/model/engine";
import { explain } from "../src/model/engine-choice";
import { httpSource } from "../src/model/http-source";
import { createNetworkModel } from "../src/model/network-model";
import { ownEngine } from "../src/model/own-engine";
import { openPackage, type WorldPackage } from "../src/model/package";
import { keepPackage } from "../src/model/package-store";
import { withOutcomes } from "../src/model/reward-head";
import { checkThreads } from "../src/model/thread-count";
import { webHelper } from "../src/model/web-helper";
import type { Progress, WorkerApi, WorkerFrame } from "../src/model/worker-api";
import type { Frame, World } from "../src/model/world";
import { zipSource } from "../src/model/zip-source";

let opened: { readonly world: World; readonly contents: WorldPackage; readonly url: string | Blob } | null = null;
/** What the page believes to compute. */
let told = "";

function current(): World {
  if (!opened) throw new StateError("The worker has no world yet. Call open first.");
  return opened.world;
}

/** With what computes, when that has changed. */
function handOver(frame: Frame): WorkerFrame {
  const { backend } = current();
  const now = JSON.stringify(backend);
  if (now === told) return transfer(frame, [frame.rgba.buffer]);
  told = now;
  console.warn(`${backend.name} computes from now on: ${explain(backend)}`);
  return transfer({ ...frame, backend }, [frame.rgba.buffer]);
}

const api: WorkerApi = {
  async open({ url, start, engine, precision, backend, threads }, onProgress) {
    const choice = engine ?? (backend ? "ort" : "auto");
    const loadOrt = async () => {
      const { loadWebRuntime } = await import("../src/model/web-runtime"); // most visits don't need it
      return ortEngine(await loadWebRuntime({ backend, threads }));
    };
    const ort = choice === "ort" ? loadOrt() : null; // loads beside the package
    ort?.catch(() => undefined); // told below
    let newest: Progress = { loaded: 0, total: 0, phase: "download" };
    const tell = (progress: Progress) => {
      newest = progress;
      onProgress(progress);
    };
    const contents = await openPackage(
      url instanceof Blob ? await zipSource(url, "the world's zip") : httpSource(url),
      {
        start: start ?? 0,
        onProgress: everyPercent(tell),
        onStartPicture: ({ picture }, rgb) => onProgress({ ...newest, picture: { ...picture, rgb } }),
      },
    );
    const { manifest, sha256 } = contents;
    onProgress({ ...newest, phase: "session" });
    const ownWasm = () => ownEngine({ precision, threads: checkThreads(threads) ?? 1, startHelper: webHelper });
    const ownWebGpu = async () => {
      const { webGpuEngine } = await import("../src/model/webgpu-engine"); // most visits don't need it
      return webGpuEngine(ownWasm, precision);
    };
    const chosen = await chooseEngine(choice, contents, {
      own: async () => (backend === "webgpu" ? ownWebGpu() : ownWasm()),
      ort: () => ort ?? loadOrt(),
    });
    const world = createWorld(withOutcomes(await createNetworkModel(contents, chosen), contents, chosen));
    opened = { world, contents, url };
    told = JSON.stringify(world.backend);
    (onProgress as Partial<Remote<typeof onProgress>>)[releaseProxy]?.(); // closes its port
    return { manifest, backend: world.backend, packageSha256: sha256, files: Object.keys(manifest.files) };
  },
  reset: async (options) => handOver(await current().reset(options)),
  step: async (action, prompt, guide) => handOver(await current().step(action, prompt, guide)),
  rewind: async (ticks) => handOver(await current().rewind(ticks)),
  status: () => current().status(),
  async snapshot() {
    const snapshot = await current().snapshot();
    const slots = snapshot.slots.flatMap((slot) => (slot ? [slot.buffer as ArrayBuffer] : []));
    return transfer(snapshot, [...new Set(slots)]);
  },
  restore: async (snapshot) => handOver(await current().restore(snapshot)),
  async readWords() {
    const { prompt } = current().manifest;
    if (!prompt || !opened) throw new StateError("This world takes no prompts.");
    return (await opened.contents.read(prompt.file)).slice();
  },
  async readStart(index) {
    const { manifest } = current();
    const start = manifest.starts[index];
    if (!start || !opened) {
      throw new ResetError(`start: expected an integer from 0 to ${manifest.starts.length - 1}, got ${index}`);
    }
    const rgb = (await opened.contents.read(start.picture)).slice();
    return transfer({ ...manifest.picture, rgb }, [rgb.buffer]);
  },
  async keep() {
    if (!opened) throw new StateError("The worker has no world yet. Call open first.");
    if (!(opened.url instanceof Blob)) await keepPackage(opened.contents, opened.url); // the page keeps those itself
    return performance.getEntriesByType("resource").map(({ name }) => name);
  },
  close: () => current().close(),
};

/** A package comes in hundreds of chunks; the page wants to know of a hundred. */
function everyPercent(report: (progress: Progress) => void): (progress: Omit<Progress, "phase">) => void {
  let told = 0;
  return ({ loaded, total }) => {
    if (loaded < total && loaded - told < total / 100) return;
    told = loaded;
    report({ loaded, total, phase: "download" });
  };
}

expose(api);
