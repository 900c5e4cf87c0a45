/**
 * Sessions on our own engine (`src/engine`): the whole graph in one call. The slots of the KV window stay in the engine's
 * memory; a run writes only those that differ from the ones of the run before, which after a step is the newest.
 */
import { type Compiled, compile } from "../engine/compile";
import { detectInstructionSet } from "../engine/detect";
import { createMachine, type Numbers } from "../engine/machine";
import type { Helper } from "../engine/threads";
import { ShapeError, UnsafeGraphError, UnsupportedGraphError } from "../errors";
import { checkTensors } from "./contract";
import type { Engine } from "./engine";
import type { Precision } from "./engine-choice";
import { type Feed, type GraphSession, isRows, type TensorData } from "./graph-session";
import type { GraphSpec } from "./manifest";
import { createResidentRows } from "./resident-rows";

export interface OwnOptions {
  /** Default: float32. */
  readonly precision?: Precision | undefined;
  /** Default: 1. More need shared memory, and a way to start a helper. */
  readonly threads?: number | undefined;
  readonly startHelper?: () => Helper;
}

/** @throws UnsupportedGraphError without SIMD */
export function ownEngine({ precision = "float32", threads = 1, startHelper }: OwnOptions = {}): Engine {
  const instructionSet = detectInstructionSet();
  const name = instructionSet === "simd" ? "SIMD" : "relaxed SIMD";
  let waiting = threads - 1; // the first session, the tick's, has all threads; the others' graphs run once in a while
  return {
    backend: { name: "own", threads, machine: "wasm", precision, arithmetic: `${name}, ${precision}` },
    async createSession(bytes, spec) {
      const compiled = compileNamed(spec, () => compile(bytes, instructionSet, precision));
      const helpers = startHelper ? Array.from({ length: waiting }, startHelper) : [];
      waiting = 0;
      return createOwnSession(compiled, spec, helpers);
    },
  };
}

async function createOwnSession(
  compiled: Compiled,
  spec: GraphSpec,
  helpers: readonly Helper[],
): Promise<GraphSession> {
  const machine = await createMachine(compiled, helpers);
  const resident = createResidentRows();

  return {
    async run(feeds) {
      for (const name of Object.keys(spec.inputs)) {
        const data: Feed | undefined = feeds[name];
        const memory = machine.inputs.get(name) as Numbers;
        if (!data) throw new ShapeError(`${spec.file}: expected a value for ${name}, got none.`);
        if (isRows(data)) {
          const length = memory.length / data.length;
          resident.load(name, data, (row, i) => {
            if (row) memory.set(row, i * length);
            else memory.fill(0, i * length, (i + 1) * length);
          });
        } else {
          memory.set(data);
          resident.forget(name);
        }
      }
      machine.run();
      const results: Record<string, TensorData> = {};
      for (const name of Object.keys(spec.outputs)) results[name] = (machine.outputs.get(name) as Numbers).slice();
      return results;
    },
    async close() {
      machine.close();
    },
  };
}

/** Errors begin with the file's name, a ShapeError says what the manifest expects; a graph that no rule foresaw is one that isn't covered. */
export function compileNamed<T extends Pick<Compiled, "graph">>(spec: GraphSpec, compile: () => T): T {
  try {
    const compiled = compile();
    const table = (tensors: Compiled["graph"]["inputs"]): GraphSpec["inputs"] =>
      Object.fromEntries(tensors.map(({ name, kind, shape }) => [name, { dtype: kind, shape: [...shape] }]));
    checkTensors(`${spec.file}, inputs`, spec.inputs, table(compiled.graph.inputs));
    checkTensors(`${spec.file}, outputs`, spec.outputs, table(compiled.graph.outputs));
    return compiled;
  } catch (error) {
    if (error instanceof ShapeError) throw error;
    const { message } = error as Error;
    if (error instanceof UnsafeGraphError) throw new UnsafeGraphError(`${spec.file}: ${message}`);
    if (error instanceof UnsupportedGraphError) throw new UnsupportedGraphError(`${spec.file}: ${message}`);
    throw new UnsupportedGraphError(`${spec.file}: expected a graph that our own engine covers, got "${message}"`);
  }
}
