/**
 * Our own engine on WebGPU. Latent and window stay on the GPU: what a run gave is copied there, and only noise, action and
 * ages go in. What comes out is read back at once; so the session's state is also here, where rewinding and saving need
 * it, and when the device is lost the session goes on in WebAssembly at the very same tick.
 */
import { compileGpu } from "../engine/webgpu/compile-gpu";
import { type Gpu, openGpu } from "../engine/webgpu/gpu-device";
import { createGpuMachine, type GpuMachine } from "../engine/webgpu/gpu-machine";
import { BackendError, ShapeError } from "../errors";
import type { Bytes } from "./bytes";
import { because, type Engine, isRefusal } from "./engine";
import type { Precision } from "./engine-choice";
import { type Feed, type GraphSession, isRows, type TensorData } from "./graph-session";
import type { GraphSpec } from "./manifest";
import { compileNamed } from "./own-engine";
import { createResidentRows } from "./resident-rows";

/**
 * @param rest our own engine in WebAssembly, for when there is no GPU, or no longer; its backend then says why
 * @throws BackendError for another precision than float32
 */
export async function webGpuEngine(
  rest: () => Engine,
  precision: Precision = "float32",
  open: () => Promise<Gpu> = openGpu,
): Promise<Engine> {
  if (precision !== "float32") {
    throw new BackendError(
      `WebGPU: expected precision=float32, got ${precision}. Leave out one of backend and precision.`,
    );
  }
  let gpu: Gpu;
  try {
    gpu = await open();
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return because(rest(), error.message);
  }
  const arithmetic = `WebGPU${gpu.isSoftware ? " on the CPU" : ""}, float32`;
  let engine: Engine | null = null; // once the GPU has been left
  let isFirst = true; // the first session is the tick's
  const leave = (reason: string): Engine => {
    engine ??= because(rest(), reason);
    return engine;
  };

  return {
    get backend() {
      return engine?.backend ?? { name: "own", threads: 1, machine: "webgpu", precision, arithmetic };
    },
    async createSession(bytes, spec) {
      if (engine) return engine.createSession(bytes, spec);
      try {
        const session = await createGpuSession(bytes, spec, gpu);
        isFirst = false;
        return survivor(session, (reason) => leave(reason).createSession(bytes, spec));
      } catch (error) {
        if (!isRefusal(error)) throw error;
        // Another graph that isn't for this GPU runs in WebAssembly beside a tick that is.
        const next = isFirst || gpu.failure() ? leave(error.message) : rest();
        return next.createSession(bytes, spec);
      }
    },
  };
}

/** A session that moves to another when it fails; what was asked of it is asked again there. */
function survivor(first: GraphSession, move: (reason: string) => Promise<GraphSession>): GraphSession {
  let session = first;
  return {
    async run(feeds) {
      try {
        return await session.run(feeds);
      } catch (error) {
        if (session !== first || !(error instanceof BackendError)) throw error;
        session = await move(error.message);
        await first.close();
        return session.run(feeds);
      }
    },
    close: () => session.close(),
  };
}

async function createGpuSession(bytes: Bytes, spec: GraphSpec, gpu: Gpu): Promise<GraphSession> {
  const compiled = compileNamed(spec, () => compileGpu(bytes));
  const machine = await createGpuMachine(compiled, gpu);
  const resident = createResidentRows();
  const last = new Map<string, { readonly given: TensorData; readonly values: TensorData }>(); // outputs of the last run

  return {
    async run(feeds) {
      for (const name of Object.keys(spec.inputs)) {
        if (!feeds[name]) throw new ShapeError(`${spec.file}: expected a value for ${name}, got none.`);
      }
      for (const [name, { shape }] of Object.entries(spec.inputs)) {
        const data = feeds[name] as Feed;
        if (isRows(data)) loadRows(machine, name, data, shape);
        else loadWhole(machine, name, data);
      }
      last.clear();
      const outputs = await machine.run();
      for (const [name, given] of outputs) {
        if (given instanceof Float32Array) last.set(name, { given, values: given.slice() }); // the caller may write into its own
      }
      return Object.fromEntries(outputs);
    },
    async close() {
      machine.close();
    },
  };

  function loadWhole(to: GpuMachine, name: string, data: TensorData): void {
    const isSame = ({ values }: { readonly values: TensorData }) =>
      values.length === data.length && values.every((value, i) => value === data[i]);
    const output = [...last].find(([, known]) => isSame(known))?.[0];
    if (output === undefined) to.write(name, data);
    else to.carry(output, name);
    resident.forget(name);
  }

  /** Writes the rows that aren't there yet. */
  function loadRows(
    to: GpuMachine,
    name: string,
    rows: readonly (Float32Array | null)[],
    shape: readonly number[],
  ): void {
    const length = shape.slice(1).reduce((size, side) => size * side, 1);
    resident.load(name, rows, (row, i) => {
      const output = row && [...last].find(([, { given }]) => given === row)?.[0];
      if (!row) to.clear(name, i * length, length);
      else if (output) to.carry(output, name, i * length);
      else to.write(name, row, i * length);
    });
  }
}
