/** From an ONNX file to shaders and the memory that they run in: read, lower, plan. `gpu-machine.ts` runs it. */
import type { Buffer } from "../expression";
import { joinNodes } from "../graph";
import { Lowering } from "../lower";
import { type Graph, readOnnx } from "../onnx";
import { addDispatch, type Dispatch, GpuProgram, groupsFor, itemOf, Shader } from "./dispatch";
import { type GpuMemory, planGpuMemory } from "./gpu-memory";
import { wgslKernels } from "./wgsl-kernels";

export interface GpuCompiled {
  readonly graph: Pick<Graph, "inputs" | "outputs">;
  readonly dispatches: readonly Dispatch[];
  readonly memory: GpuMemory;
  readonly inputs: ReadonlyMap<string, Buffer>;
  readonly outputs: ReadonlyMap<string, Buffer>;
  /** Outputs of bytes, four in a word: where each begins, words; and how many words there are. */
  readonly packed: ReadonlyMap<string, number>;
  readonly packedWords: number;
}

/** All in float32. @throws UnsafeGraphError, UnsupportedGraphError */
export function compileGpu(bytes: Uint8Array): GpuCompiled {
  const graph = readOnnx(bytes);
  const program = new GpuProgram();
  const { inputs, outputs } = new Lowering(wgslKernels(program), "float32").lower(joinNodes(graph));
  const packed = new Map<string, number>();
  let packedWords = 0;
  for (const [name, buffer] of outputs) {
    if (buffer.kind !== "uint8") continue;
    packed.set(name, packedWords);
    addPacking(program, buffer, packedWords);
    packedWords += Math.ceil(buffer.size / 4);
  }
  const { dispatches } = program;
  const memory = planGpuMemory(dispatches, [...inputs.values(), ...outputs.values()]);
  return { graph, dispatches, memory, inputs, outputs, packed, packedWords };
}

/** Bytes are one a word while they are computed; those that go out are packed. */
function addPacking(program: GpuProgram, buffer: Buffer, begin: number): void {
  const shader = new Shader();
  const words = Math.ceil(buffer.size / 4);
  const word = itemOf(shader, words);
  shader.main.lines.push(
    "var four = 0u;",
    `for (var i = 0u; i < 4u && 4u * ${word} + i < ${buffer.size}u; i++) {`,
    `four |= u32(${shader.at({ buffer, offset: 0 }, `4u * ${word} + i`)}) << (8u * i);`,
    "}",
    `bytes[${begin}u + ${word}] = four;`,
  );
  addDispatch(program, shader, {
    phase: "elementwise",
    label: "pack",
    workgroups: groupsFor(words),
    reads: [buffer],
    writes: [],
    flops: 0,
  });
}
