/**
 * From an ONNX file to a WebAssembly module and the memory that it runs in: read, lower, plan the arena, assemble.
 * `session.ts` runs it.
 */

import { type Arena, planArena } from "./arena";
import type { Buffer } from "./expression";
import { joinNodes } from "./graph";
import { Lowering } from "./lower";
import type { InstructionSet } from "./math";
import { type Graph, readOnnx } from "./onnx";
import { type Address, type Precision, Program, type Step, type Table } from "./program";
import { Func, get, i32, type Local, Module } from "./wasm";

export interface Compiled {
  readonly graph: Graph;
  readonly steps: readonly Step[];
  readonly arena: Arena;
  readonly inputs: ReadonlyMap<string, Buffer>;
  readonly outputs: ReadonlyMap<string, Buffer>;
  /** Exports `run(first step, last step, thread, threads)`. */
  readonly module: Uint8Array<ArrayBuffer>;
}

/** @throws UnsafeGraphError, UnsupportedGraphError */
export function compile(bytes: Uint8Array, instructionSet: InstructionSet, precision: Precision = "float32"): Compiled {
  const graph = readOnnx(bytes);
  const { steps, inputs, outputs } = new Lowering(new Program(instructionSet, precision)).lower(joinNodes(graph));
  const arena = planArena(steps, [...inputs.values(), ...outputs.values()]);
  return { graph, steps, arena, inputs, outputs, module: assemble(steps, arena) };
}

/** Exports `run(first step, last step, thread, threads)`. */
export function assemble(steps: readonly Step[], arena: Arena): Uint8Array<ArrayBuffer> {
  const module = new Module();
  const run = new Func(4);
  const [first, last, thread, threads] = run.params as [Local, Local, Local, Local];
  steps.forEach((step, at) => {
    const target = module.define(step.func);
    const share = (extra: number) =>
      i32.div(i32.mul(i32.add(get(thread), i32.const(extra)), i32.const(step.work)), get(threads));
    const addresses = step.args.map((arg) =>
      i32.const(Array.isArray(arg) ? arena.tableOf(arg as Table) : arena.addressOf(arg as Address)),
    );
    run.if(i32.mul(i32.lt(get(first), i32.const(at + 1)), i32.lt(i32.const(at), get(last))), () =>
      run.call(target, share(0), share(1), ...addresses),
    );
  });
  module.define(run, "run");
  return module.bytes({ pages: arena.pages, shared: false });
}
