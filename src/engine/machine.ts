/**
 * A compiled graph, ready to run: memory with its constants and the instances over it, one a thread. Inputs are written to and
 * outputs are read from the memory itself; running allocates nothing.
 */
import { BackendError } from "../errors";
import { assemble, type Compiled } from "./compile";
import type { Buffer } from "./expression";
import { type Helper, startHelpers } from "./threads";

export type Numbers = Float32Array | Int32Array | Uint8Array;

export interface Machine {
  readonly inputs: ReadonlyMap<string, Numbers>;
  readonly outputs: ReadonlyMap<string, Numbers>;
  /** All steps; or on one thread those from the first to the last, exclusive, for measurements. */
  run(from?: number, to?: number): void;
  /** Ends the helpers. */
  close(): void;
}

/**
 * @param helpers further threads, not started yet; their memory is shared
 * @throws BackendError when there isn't enough memory, WebAssembly refuses the module, or a helper doesn't start
 */
export async function createMachine(compiled: Compiled, helpers: readonly Helper[] = []): Promise<Machine> {
  const { steps, arena, inputs, outputs } = compiled;
  const shared = helpers.length > 0;
  const threads = helpers.length + 1;
  let memory: WebAssembly.Memory;
  try {
    memory = new WebAssembly.Memory({ initial: arena.pages, maximum: arena.pages, shared });
  } catch (error) {
    throw new BackendError(`own: expected ${arena.pages} pages of memory, got none (${(error as Error).message}).`);
  }
  arena.fill(memory);
  const bytes = assemble(steps, arena, shared);
  const module = await WebAssembly.compile(bytes).catch((error: Error) => {
    throw new BackendError(`own: expected WebAssembly that runs the engine, got "${error.message}". Use engine=ort.`);
  });
  const { exports } = await WebAssembly.instantiate(module, { env: { memory } });
  const run = exports.run as (from: number, to: number, thread: number, threads: number) => void;
  const announceTick = exports.announceTick as (threads: number) => void;
  if (shared) await startHelpers(helpers, { module, memory });

  const view = (buffer: Buffer): Numbers => {
    const at = arena.addressOf({ buffer, offset: 0 });
    if (buffer.kind === "float32") return new Float32Array(memory.buffer, at, buffer.size);
    if (buffer.kind === "int32") return new Int32Array(memory.buffer, at, buffer.size);
    return new Uint8Array(memory.buffer, at, buffer.size);
  };
  const views = (buffers: ReadonlyMap<string, Buffer>) =>
    new Map([...buffers].map(([name, buffer]) => [name, view(buffer)]));
  return {
    inputs: views(inputs),
    outputs: views(outputs),
    run(from, to) {
      if (from !== undefined || !shared) return run(from ?? 0, to ?? steps.length, 0, 1);
      announceTick(threads);
      run(0, steps.length, 0, threads);
    },
    close() {
      for (const helper of helpers) helper.end();
    },
  };
}
