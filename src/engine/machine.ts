/**
 * A compiled graph, ready to run: memory with its constants and the instance over it. Inputs are written to and outputs are
 * read from the memory itself; running allocates nothing.
 */
import { BackendError } from "../errors";
import type { Compiled } from "./compile";
import type { Buffer } from "./expression";

export type Numbers = Float32Array | Int32Array | Uint8Array;

export interface Machine {
  readonly inputs: ReadonlyMap<string, Numbers>;
  readonly outputs: ReadonlyMap<string, Numbers>;
  /** All steps, or those from the first to the last, exclusive: for measurements. */
  run(from?: number, to?: number): void;
}

/** @throws BackendError when there isn't enough memory, or WebAssembly refuses the module */
export async function createMachine({ module, arena, inputs, outputs, steps }: Compiled): Promise<Machine> {
  let memory: WebAssembly.Memory;
  try {
    memory = new WebAssembly.Memory({ initial: arena.pages, maximum: arena.pages });
  } catch (error) {
    throw new BackendError(`own: expected ${arena.pages} pages of memory, got none (${(error as Error).message}).`);
  }
  arena.fill(memory);
  const instance = await WebAssembly.instantiate(module, { env: { memory } }).then(
    (result) => result.instance,
    (error: Error) => {
      throw new BackendError(
        `own: expected a WebAssembly that runs the engine, got "${error.message}". Use engine=ort.`,
      );
    },
  );
  const call = instance.exports.run as (from: number, to: number, thread: number, threads: number) => void;
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
    run: (from = 0, to = steps.length) => call(from, to, 0, 1),
  };
}
