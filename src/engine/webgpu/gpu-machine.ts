/**
 * A compiled graph on a GPU. Shaders, memory and bindings are made once. A tick is one command buffer, which WebGPU can't
 * keep for the next one: what changes on the GPU itself is copied there, all dispatches, and the outputs, read back at once.
 */
import { BackendError, UnsupportedGraphError } from "../../errors";
import type { Buffer } from "../expression";
import type { Numbers } from "../machine";
import type { GpuCompiled } from "./compile-gpu";
import { type Dispatch, GRID } from "./dispatch";
import type { Gpu } from "./gpu-device";

const WORD = 4; // bytes

/** As the specification numbers them: `GPUBufferUsage`, `GPUShaderStage`, `GPUMapMode`. */
const [MAP_READ, COPY_SRC, COPY_DST, UNIFORM, STORAGE] = [0x01, 0x04, 0x08, 0x40, 0x80];
const COMPUTE_STAGE = 0x4;
const READ_MODE = 0x1;

export interface GpuMachine {
  /** Writes into an input, from an element on. */
  write(input: string, data: Numbers, from?: number): void;
  /** Writes zeros. */
  clear(input: string, from: number, count: number): void;
  /** The next run begins with a copy of an output, as the run before left it, into an input; nothing crosses the bus. */
  carry(output: string, input: string, to?: number): void;
  /** All dispatches. @throws BackendError when the device is lost or refuses; the machine is of no use then */
  run(): Promise<ReadonlyMap<string, Numbers>>;
  close(): void;
}

/** @throws UnsupportedGraphError when the device's limits are too low, before anything is made; BackendError */
export async function createGpuMachine(compiled: GpuCompiled, gpu: Gpu): Promise<GpuMachine> {
  const { device } = gpu;
  const { dispatches, memory, inputs, outputs, packed, packedWords } = compiled;
  const { limits } = device;
  const most = Math.max(1, ...dispatches.map(({ places }) => places.length));
  const alignment = Math.max(limits.minUniformBufferOffsetAlignment, 4 * WORD);
  const stride = Math.ceil((most * WORD) / alignment) * alignment;
  checkLimits(compiled, limits, stride);

  device.pushErrorScope("validation");
  device.pushErrorScope("out-of-memory");
  const buffers: GPUBuffer[] = [];
  const bufferOf = (words: number, usage: number, data?: (into: ArrayBuffer) => void): GPUBuffer => {
    const size = Math.max(words, 4) * WORD;
    const buffer = device.createBuffer({ size, usage, mappedAtCreation: data !== undefined });
    buffers.push(buffer);
    if (data) {
      data(buffer.getMappedRange());
      buffer.unmap();
    }
    return buffer;
  };
  const free = () => {
    for (const buffer of buffers) buffer.destroy();
  };
  try {
    const constants = bufferOf(memory.constants, STORAGE, (into) => memory.fill(new Float32Array(into)));
    const words = bufferOf(memory.memory, STORAGE | COPY_SRC | COPY_DST);
    const bytes = bufferOf(packedWords, STORAGE | COPY_SRC);
    const bases = bufferOf((stride * dispatches.length) / WORD, UNIFORM, (into) => {
      const table = new Uint32Array(into);
      dispatches.forEach(({ places }, i) => {
        table.set(places.map(memory.offsetOf), (i * stride) / WORD);
      });
    });
    const staged = stagingOf(outputs);
    const staging = bufferOf(staged.words, MAP_READ | COPY_DST);
    const between = bufferOf(staged.words, COPY_SRC | COPY_DST); // nothing is copied inside one buffer

    const layout = device.createBindGroupLayout({
      entries: (
        [
          { type: "read-only-storage" },
          { type: "storage" },
          { type: "uniform", hasDynamicOffset: true },
          { type: "storage" },
        ] as const
      ).map((buffer, binding) => ({ binding, visibility: COMPUTE_STAGE, buffer })),
    });
    const bindings = device.createBindGroup({
      layout,
      entries: [{ buffer: constants }, { buffer: words }, { buffer: bases, size: stride }, { buffer: bytes }].map(
        (resource, binding) => ({ binding, resource }),
      ),
    });
    const pipelines = await createPipelines(gpu, dispatches, layout);
    const [outOfMemory, invalid] = await Promise.all([device.popErrorScope(), device.popErrorScope()]);
    const refused = gpu.failure() ?? outOfMemory?.message ?? invalid?.message;
    if (refused) throw broken(refused);

    const offsetOf = (buffer: Buffer | undefined, from = 0) =>
      memory.offsetOf({ buffer: buffer as Buffer, offset: from });
    const carried: (readonly [from: number, to: number, size: number])[] = []; // bytes
    return {
      write(input, data, from = 0) {
        const floats = data instanceof Float32Array ? data : Float32Array.from(data);
        device.queue.writeBuffer(words, WORD * offsetOf(inputs.get(input), from), floats as Float32Array<ArrayBuffer>);
      },
      clear(input, from, count) {
        device.queue.writeBuffer(words, WORD * offsetOf(inputs.get(input), from), new Float32Array(count));
      },
      carry(output, input, to = 0) {
        const source = outputs.get(output) as Buffer;
        carried.push([WORD * offsetOf(source), WORD * offsetOf(inputs.get(input), to), WORD * source.size]);
      },
      async run() {
        const encoder = device.createCommandEncoder();
        for (const [from, to, size] of carried.splice(0)) {
          encoder.copyBufferToBuffer(words, from, between, 0, size);
          encoder.copyBufferToBuffer(between, 0, words, to, size);
        }
        const pass = encoder.beginComputePass();
        dispatches.forEach(({ workgroups }, i) => {
          pass.setPipeline(pipelines[i] as GPUComputePipeline);
          pass.setBindGroup(0, bindings, [i * stride]);
          pass.dispatchWorkgroups(Math.min(workgroups, GRID), Math.ceil(workgroups / GRID));
        });
        pass.end();
        for (const [name, { at, words: count }] of staged.places) {
          const begin = packed.get(name);
          const [source, from] = begin === undefined ? [words, offsetOf(outputs.get(name))] : [bytes, begin];
          encoder.copyBufferToBuffer(source, WORD * from, staging, WORD * at, WORD * count);
        }
        device.queue.submit([encoder.finish()]);
        await staging.mapAsync(READ_MODE).catch((error: Error) => {
          throw broken(gpu.failure() ?? error.message);
        });
        const whole = staging.getMappedRange();
        const results = new Map<string, Numbers>();
        for (const [name, { at }] of staged.places)
          results.set(name, numbersOf(outputs.get(name) as Buffer, whole, at));
        staging.unmap();
        const failed = gpu.failure();
        if (failed) throw broken(failed);
        return results;
      },
      close: free,
    };
  } catch (error) {
    free();
    throw error;
  }
}

const broken = (what: string) => new BackendError(`WebGPU: expected it to work, but ${what}. Use backend=wasm.`);

/** Where each output lies in what is read back, words. */
function stagingOf(outputs: ReadonlyMap<string, Buffer>) {
  const places = new Map<string, { readonly at: number; readonly words: number }>();
  let words = 0;
  for (const [name, { kind, size }] of outputs) {
    const count = kind === "uint8" ? Math.ceil(size / WORD) : size;
    places.set(name, { at: words, words: count });
    words += count;
  }
  return { places, words };
}

/** A copy of an output in the kind that it has. */
function numbersOf({ kind, size }: Buffer, whole: ArrayBuffer, at: number): Numbers {
  if (kind === "uint8") return new Uint8Array(whole, WORD * at, size).slice();
  const floats = new Float32Array(whole, WORD * at, size);
  return kind === "int32" ? Int32Array.from(floats) : floats.slice();
}

/** One pipeline for each dispatch; equal shaders are compiled once, all at the same time. */
async function createPipelines(
  { device, failure }: Gpu,
  dispatches: readonly Dispatch[],
  bindings: GPUBindGroupLayout,
): Promise<GPUComputePipeline[]> {
  const layout = device.createPipelineLayout({ bindGroupLayouts: [bindings] });
  const made = new Map<string, Promise<GPUComputePipeline>>();
  const pipelines = dispatches.map(({ code, label }) => {
    const known = made.get(code);
    if (known) return known;
    const compute = { module: device.createShaderModule({ code, label }), entryPoint: "main" };
    const pipeline = device.createComputePipelineAsync({ label, layout, compute });
    made.set(code, pipeline);
    return pipeline;
  });
  return Promise.all(pipelines).catch((error: Error) => {
    throw broken(failure() ?? `it refused a shader (${error.message})`);
  });
}

/** What a file asks for may be more than a device has: found here, not by the device. */
function checkLimits(
  { dispatches, memory, packedWords, outputs }: GpuCompiled,
  limits: GPUSupportedLimits,
  stride: number,
): void {
  const largest = Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);
  const staging = WORD * stagingOf(outputs).words;
  for (const [what, found, limit] of [
    ["bytes of weights", WORD * memory.constants, largest],
    ["bytes of memory", WORD * memory.memory, largest],
    ["bytes of pictures", WORD * packedWords, largest],
    ["bytes of results", staging, limits.maxBufferSize],
    ["bytes of addresses", stride * dispatches.length, limits.maxBufferSize],
    ["bytes of addresses a step", stride, limits.maxUniformBufferBindingSize],
    ["workgroups of a step", Math.max(0, ...dispatches.map(({ workgroups }) => workgroups)), GRID ** 2],
  ] as const) {
    if (found > limit) {
      throw new UnsupportedGraphError(`WebGPU: expected at most ${limit} ${what} on this device, got ${found}`);
    }
  }
}
