/** A tick on our own engine, in Node, step by step: what it does and where its time goes. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { compile } from "../src/engine/compile";
import { createMachine } from "../src/engine/machine";
import type { InstructionSet } from "../src/engine/math";
import type { Precision } from "../src/model/engine-choice";
import { findWorld } from "../src/model/node-runtime";

const RUNS = 40;

/** What is measured: an engine, and how it multiplies. */
export interface EngineKind {
  readonly engine: "own" | "ort";
  readonly precision: Precision;
}

export interface Profile {
  /** Of one tick: what the graph asks for, and what is left to do after Winograd's transforms. */
  readonly gflop: { readonly asked: number; readonly executed: number };
  /** Median ms of the steps of each phase. */
  readonly phases: Readonly<Record<string, number>>;
}

export async function profileOwn(world: string, set: InstructionSet, precision: Precision): Promise<Profile> {
  const compiled = compile(readFileSync(join(findWorld(world), "tick.onnx")), set, precision);
  const machine = await createMachine(compiled);
  for (const memory of machine.inputs.values()) memory.fill(1);
  for (let run = 0; run < RUNS; run++) machine.run();
  const times: number[][] = compiled.steps.map(() => []);
  for (let run = 0; run < RUNS; run++) {
    compiled.steps.forEach((_, step) => {
      const begin = performance.now();
      machine.run(step, step + 1);
      times[step]?.push(performance.now() - begin);
    });
  }
  const phases: Record<string, number> = {};
  const gflop = { asked: 0, executed: 0 };
  compiled.steps.forEach(({ phase, label, flops, executed }, step) => {
    const median = times[step]?.sort((a, b) => a - b)[RUNS / 2] ?? 0;
    const name = phase === "product" ? label : phase;
    phases[name] = (phases[name] ?? 0) + median;
    gflop.asked += flops / 1e9;
    gflop.executed += executed / 1e9;
  });
  return { gflop, phases };
}
