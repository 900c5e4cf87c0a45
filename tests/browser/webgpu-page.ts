/** What the WebGPU tests call in the page: the same graph, or the same tick of a world, in WebAssembly and on the GPU. */
import { compile } from "../../src/engine/compile";
import { feedOf, PATTERNS } from "../../src/engine/conformance.fixture";
import { detectInstructionSet } from "../../src/engine/detect";
import { createMachine } from "../../src/engine/machine";
import { writeOnnx } from "../../src/engine/onnx.fixture";
import { compileGpu } from "../../src/engine/webgpu/compile-gpu";
import { type Gpu, openGpu } from "../../src/engine/webgpu/gpu-device";
import { createGpuMachine } from "../../src/engine/webgpu/gpu-machine";
import { httpSource } from "../../src/model/http-source";
import { createNetworkModel } from "../../src/model/network-model";
import { ownEngine } from "../../src/model/own-engine";
import { openPackage, type WorldPackage } from "../../src/model/package";
import { webGpuEngine } from "../../src/model/webgpu-engine";
import type { Snapshot } from "../../src/model/world";

const apart = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))), 0);
const largestOf = (values: ArrayLike<number>): number =>
  Array.from(values).reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);

/** Patterns whose results differ by more than their bound, and by how much; and how many graphs were run. */
export async function comparePatterns() {
  const gpu = await openGpu();
  const wrong: string[] = [];
  let graphs = 0;
  let worst = 0;
  for (const pattern of PATTERNS) {
    for (const { graph, bound } of pattern.graphs) {
      graphs += 1;
      try {
        const file = writeOnnx(graph);
        const machine = await createMachine(compile(file, detectInstructionSet()));
        const onGpu = await createGpuMachine(compileGpu(file), gpu);
        Object.entries(graph.inputs).forEach(([name, tensor], i) => {
          const data = feedOf(tensor, i + 1);
          machine.inputs.get(name)?.set(data);
          onGpu.write(name, data);
        });
        machine.run();
        await onGpu.run();
        const results = await onGpu.run(); // what a run leaves behind must not change the next one
        for (const [name, { kind }] of Object.entries(graph.outputs)) {
          const expected = machine.outputs.get(name) as Float32Array;
          const found = results.get(name) as Float32Array;
          const share = apart(expected, found) / (kind === "float32" ? largestOf(expected) : 1);
          if (kind === "float32") worst = Math.max(worst, share);
          // Against onnxruntime both engines may be off by the bound.
          if (!(share < 2 * bound) || found.length !== expected.length)
            wrong.push(`${pattern.name}: ${name} by ${share}`);
        }
        onGpu.close();
      } catch (error) {
        wrong.push(`${pattern.name}: ${(error as Error).message}`);
      }
    }
  }
  gpu.close();
  return { wrong, graphs, worst };
}

/**
 * Largest differences over some ticks. Every other one begins from the GPU's own state, which is there already, the others
 * from that of WebAssembly, which has to be written.
 */
export async function compareTicks(url: string, ticks: number) {
  const opened = await openPackage(httpSource(new URL(url, location.href).href));
  const wasm = await createNetworkModel(opened, ownEngine());
  const gpu = await createNetworkModel(opened, await webGpuEngine(ownEngine));
  let state: Snapshot = await wasm.begin({ seed: 5, start: 0 });
  const worst = { latent: 0, slot: 0, pixel: 0, changed: 0 };
  const newest = ({ slots, written, passes }: Snapshot) => slots[written.indexOf(passes - 1)] as Float32Array;
  for (let tick = 0; tick < ticks; tick++) {
    const action = actionAt(opened, tick);
    const expected = await wasm.advance(state, action);
    const found = await gpu.advance(state, action);
    worst.latent = Math.max(worst.latent, apart(found.latent, expected.latent));
    worst.slot = Math.max(worst.slot, apart(newest(found), newest(expected)));
    worst.pixel = Math.max(worst.pixel, apart(found.frame.rgba, expected.frame.rgba));
    const { rgba } = expected.frame;
    worst.changed += found.frame.rgba.filter((value, i) => value !== rgba[i]).length / rgba.length / ticks;
    state = tick % 2 ? expected : found;
  }
  const { backend } = gpu;
  await Promise.all([wasm.close(), gpu.close()]);
  return { ...worst, backend };
}

const actionAt = ({ manifest }: WorldPackage, tick: number) =>
  Float32Array.from(manifest.actions, ({ min, max }, i) => Math.min(max, Math.max(min, Math.sin(tick / 3 + i))));

/** A session whose device is taken away after some ticks: what computes before and after, and how far the frames are off. */
export async function loseDevice(url: string, ticks: number) {
  const opened = await openPackage(httpSource(new URL(url, location.href).href));
  const wasm = await createNetworkModel(opened, ownEngine());
  let taken: Gpu | undefined;
  const open = async () => {
    taken = await openGpu();
    return taken;
  };
  const gpu = await createNetworkModel(opened, await webGpuEngine(ownEngine, "float32", open));
  const before = gpu.backend;
  let expected = await wasm.begin({ seed: 7, start: 0 });
  let found = await gpu.begin({ seed: 7, start: 0 });
  let pixel = 0;
  for (let tick = 0; tick < 2 * ticks; tick++) {
    if (tick === ticks) taken?.close();
    const action = actionAt(opened, tick);
    [expected, found] = [await wasm.advance(expected, action), await gpu.advance(found, action)];
    pixel = Math.max(pixel, apart(found.frame.rgba, expected.frame.rgba));
  }
  const after = gpu.backend;
  await Promise.all([wasm.close(), gpu.close()]);
  return { before, after, pixel, tick: found.tick };
}
