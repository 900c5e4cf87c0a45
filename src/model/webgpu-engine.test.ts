/** Our own engine asked onto a GPU where there is none: a named reason, and the same frames from WebAssembly. */
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { barrenGpu } from "../engine/webgpu/gpu.fixture";
import { BackendError } from "../errors";
import { folderSource } from "./folder-source";
import { createNetworkModel } from "./network-model";
import { openNodeEngine } from "./node-runtime";
import { ownEngine } from "./own-engine";
import { openPackage } from "./package";
import { webGpuEngine } from "./webgpu-engine";

const opened = await openPackage(
  folderSource(fileURLToPath(new URL("../../tests/goldens/tiny-world", import.meta.url))),
);

test("without WebGPU it says so and runs in WebAssembly", async () => {
  const engine = await webGpuEngine(ownEngine); // Node has no GPU
  expect(engine.backend).toMatchObject({
    name: "own",
    machine: "wasm",
    arithmetic: expect.stringMatching(/SIMD, float32$/),
    detail: expect.stringMatching(/^WebGPU: expected/),
  });
  const expected = await createNetworkModel(opened, await openNodeEngine(opened, { engine: "own" }));
  const model = await createNetworkModel(opened, engine);
  const frames = await Promise.all(
    [expected, model].map(async (one) => one.advance(await one.begin({ seed: 1, start: 0 }), Float32Array.of(0.5, 1))),
  );
  expect(frames[1]?.frame.rgba).toEqual(frames[0]?.frame.rgba);
  await Promise.all([expected.close(), model.close()]);
});

test("a GPU that is too small for the tick leaves it to WebAssembly, with the reason", async () => {
  const engine = await webGpuEngine(ownEngine, "float32", async () => barrenGpu({ maxBufferSize: 1024 }));
  expect(engine.backend).toMatchObject({ machine: "webgpu", arithmetic: expect.stringMatching(/^WebGPU/) });
  const model = await createNetworkModel(opened, engine);
  expect(model.backend).toMatchObject({
    machine: "wasm",
    arithmetic: expect.stringMatching(/SIMD, float32$/),
    detail: expect.stringMatching(/^WebGPU: .*bytes of weights/),
  });
  await model.close();
});

test("whole numbers are refused, not left out", async () => {
  await expect(webGpuEngine(ownEngine, "int8")).rejects.toThrow(BackendError);
});

test("an error that isn't the GPU's is nobody's reason to go on", async () => {
  const broken = () => Promise.reject(new TypeError("a mistake of ours"));
  await expect(webGpuEngine(ownEngine, "float32", broken)).rejects.toThrow(TypeError);
});
