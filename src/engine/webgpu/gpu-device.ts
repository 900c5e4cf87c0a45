/** The GPU that a browser gives us, and what went wrong with it. */
import { BackendError } from "../../errors";

export interface Gpu {
  readonly device: GPUDevice;
  /** A processor that stands in for a GPU: right, and slow. */
  readonly isSoftware: boolean;
  /** Why nothing it computes from now on counts: it was lost, or refused a command. Null as long as all is well. */
  failure(): string | null;
  /** Gives it back. What is still asked of it fails. */
  close(): void;
}

/** Buffers as large as the adapter offers; all else within the limits that every WebGPU has. @throws BackendError */
export async function openGpu(): Promise<Gpu> {
  const { gpu } = (globalThis.navigator ?? {}) as { gpu?: GPU };
  if (!gpu) throw refusal("a browser with WebGPU on a secure page, got one without");
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" }).catch(() => null);
  if (!adapter) throw refusal("an adapter, got none from this browser");
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
  const device = await adapter
    .requestDevice({ requiredLimits: { maxBufferSize, maxStorageBufferBindingSize } })
    .catch((error: Error) => {
      throw refusal(`a device, got "${error.message}"`);
    });
  let failed: string | null = null;
  device.lost.then(({ reason, message }) => {
    failed ??= `the device was lost (${[reason, message].filter((text) => text && text !== "unknown").join(": ") || "no reason given"})`;
  });
  device.addEventListener("uncapturederror", ({ error }) => {
    failed ??= `it refused a command (${error.message.split("\n")[0]})`;
  });
  return {
    device,
    isSoftware: adapter.info.isFallbackAdapter,
    failure: () => failed,
    close: () => device.destroy(),
  };
}

const refusal = (what: string) => new BackendError(`WebGPU: expected ${what}. Use backend=wasm.`);
