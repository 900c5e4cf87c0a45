/**
 * From an ONNX file to a WebAssembly module and the memory that it runs in: read, lower, plan the arena, assemble.
 * `machine.ts` runs it.
 */

import { type Arena, planArena } from "./arena";
import type { Buffer } from "./expression";
import { joinNodes } from "./graph";
import { wasmKernels } from "./kernels/wasm-kernels";
import { Lowering } from "./lower";
import type { InstructionSet } from "./math";
import { type Graph, readOnnx } from "./onnx";
import { type Address, type Precision, Program, type Step, type Table } from "./program";
import { announceTick, barrier, help, needsBarrier } from "./threads";
import { Func, get, i32, type Local, Module } from "./wasm";

export interface Compiled {
  readonly graph: Pick<Graph, "inputs" | "outputs">;
  readonly steps: readonly Step[];
  readonly arena: Arena;
  readonly inputs: ReadonlyMap<string, Buffer>;
  readonly outputs: ReadonlyMap<string, Buffer>;
}

/**
 * @param precision int8: products by weights in whole numbers, but for the last ones; all else in float32
 * @throws UnsafeGraphError, UnsupportedGraphError
 */
export function compile(bytes: Uint8Array, instructionSet: InstructionSet, precision: Precision = "float32"): Compiled {
  const graph = readOnnx(bytes);
  const program = new Program(instructionSet);
  const { inputs, outputs } = new Lowering(wasmKernels(program), precision).lower(joinNodes(graph));
  const { steps } = program;
  const arena = planArena(steps, [...inputs.values(), ...outputs.values()]);
  return { graph, steps, arena, inputs, outputs };
}

/**
 * The module: `run(first step, last step, thread, threads)` does a thread's share of these steps. With shared memory
 * `announceTick` and `help` too: see `threads.ts`.
 */
export function assemble(steps: readonly Step[], arena: Arena, shared: boolean): Uint8Array<ArrayBuffer> {
  const module = new Module();
  const meet = shared ? module.define(barrier()) : null;
  const waits = needsBarrier(steps, arena);
  const run = new Func(4);
  const [first, last, thread, threads] = run.params as [Local, Local, Local, Local];
  const meetHere = () => {
    if (meet !== null) run.if(i32.lt(i32.const(1), get(threads)), () => run.call(meet, get(threads)));
  };
  steps.forEach((step, at) => {
    const target = module.define(step.func);
    const share = (extra: number) =>
      i32.div(i32.mul(i32.add(get(thread), i32.const(extra)), i32.const(step.work)), get(threads));
    const addresses = step.args.map((arg) =>
      i32.const(Array.isArray(arg) ? arena.tableOf(arg as Table) : arena.addressOf(arg as Address)),
    );
    if (waits[at]) meetHere();
    run.if(i32.mul(i32.lt(get(first), i32.const(at + 1)), i32.lt(i32.const(at), get(last))), () =>
      run.call(target, share(0), share(1), ...addresses),
    );
  });
  meetHere();
  const index = module.define(run, "run");
  if (shared) {
    module.define(announceTick(), "announceTick");
    module.define(help(index, steps.length), "help");
  }
  return module.bytes({ pages: arena.pages, shared });
}
