/** A GPU for tests that reach no shader. */
import type { Gpu } from "./gpu-device";

/** A device that has limits and nothing else: whoever asks it to make something fails. */
export const barrenGpu = (limits: Record<string, number>): Gpu => ({
  device: {
    limits: {
      ...{ maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: 2 ** 27, maxUniformBufferBindingSize: 2 ** 16 },
      ...{ minUniformBufferOffsetAlignment: 256, ...limits },
    },
  } as unknown as GPUDevice,
  isSoftware: true,
  failure: () => null,
  close: () => undefined,
});
