/**
 * onnxruntime-web inside the worker: picks the backend and the threads, says truthfully what it picked, and never falls
 * back from what was asked for. Session creation: see `graph-session.ts`.
 *
 * The `.mjs` and `.wasm` of onnxruntime-web are given by address, as files of our own build. Its threads start from that
 * `.mjs`, so they never run the model worker's top level again.
 */
import wasmScript from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasmBinary from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import { BackendError } from "../errors";
import type { Runtime } from "./graph-session";
import { checkThreads } from "./thread-count";
import type { Backend } from "./worker-api";

/** Beyond four, the small matrices of a tick gain nothing. */
const MAX_THREADS = 4;

/** A graph of one Identity, float32 [1]: onnxruntime-web loads its WASM with the first session that is made. */
const SMALLEST_GRAPH = "CAgSADo3ChAKAXgSAXkiCElkZW50aXR5EgFnWg8KAXgSCgoICAESBAoCCAFiDwoBeRIKCggIARIECgIIAUIECgAQDQ==";

/**
 * Loads the runtime, its WASM included.
 * @param wanted backend absent: WebGPU when a GPU is there, else WASM; threads absent: by the machine
 * @throws BackendError when what was asked for isn't there
 */
export async function loadWebRuntime(wanted: {
  readonly backend?: Backend | undefined;
  readonly threads?: number | undefined;
}): Promise<Runtime> {
  const name = wanted.backend ?? ((await hasGpu()) ? "webgpu" : "wasm");
  const runtime = name === "webgpu" ? await loadWebGpu(wanted.backend) : await loadWasm(wanted.threads);
  const bytes = Uint8Array.from(atob(SMALLEST_GRAPH), (character) => character.charCodeAt(0));
  try {
    const session = await runtime.ort.InferenceSession.create(bytes, runtime.options);
    await session.release();
  } catch (error) {
    const advice = name === "webgpu" ? "Add ?backend=wasm to the address to run on the CPU." : "Try another browser.";
    throw new BackendError(`${name}: expected a working backend, got "${(error as Error).message}". ${advice}`);
  }
  return runtime;
}

async function loadWasm(wanted: number | undefined): Promise<Runtime> {
  const threads =
    checkThreads(wanted) ?? (crossOriginIsolated ? Math.min(MAX_THREADS, navigator.hardwareConcurrency) : 1);
  const { env, InferenceSession, Tensor } = await import("onnxruntime-web/wasm");
  env.wasm.wasmPaths = { mjs: absolute(wasmScript), wasm: absolute(wasmBinary) };
  env.wasm.numThreads = threads;
  return {
    ort: { InferenceSession, Tensor },
    options: { executionProviders: ["wasm"] },
    backend: { name: "wasm", threads },
  };
}

/** One thread: on the GPU the CPU only feeds it. */
async function loadWebGpu(forced: Backend | undefined): Promise<Runtime> {
  if (forced && !(await requestAdapter())) {
    throw new BackendError(
      "webgpu: expected a WebGPU adapter, got none from this browser. Use backend=wasm, or leave the backend out.",
    );
  }
  const [{ env, InferenceSession, Tensor }, script, binary] = await Promise.all([
    import("onnxruntime-web/webgpu"),
    import("onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url"),
    import("onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url"),
  ]);
  env.wasm.wasmPaths = { mjs: absolute(script.default), wasm: absolute(binary.default) };
  env.wasm.numThreads = 1;
  env.logLevel = "error"; // it warns of every small operator that it puts on the CPU on purpose
  return {
    ort: { InferenceSession, Tensor },
    options: { executionProviders: ["webgpu"] },
    backend: { name: "webgpu", threads: 1 },
  };
}

/** A GPU, not a CPU that stands in for one: that is slower than WASM, and only for who asks for it. */
async function hasGpu(): Promise<boolean> {
  const adapter = await requestAdapter();
  return adapter !== null && !adapter.info.isFallbackAdapter;
}

/** `navigator.gpu` is missing in insecure contexts and in some browsers, whatever its type says. */
async function requestAdapter(): Promise<GPUAdapter | null> {
  const { gpu } = navigator as { gpu?: GPU };
  return (await gpu?.requestAdapter()) ?? null;
}

/** A built address is relative to the page's folder or to this script; the runtime wants it whole. */
const absolute = (address: string): string => new URL(address, import.meta.url).href;
