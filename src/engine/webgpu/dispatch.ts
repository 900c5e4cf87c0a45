/**
 * The program that a graph becomes on a GPU: dispatches in their order, each a shader and the places it works on. Sizes and
 * strides are constants of the shader, addresses come from a uniform buffer; so equal steps of different layers are one shader.
 */
import type { Buffer, View } from "../expression";
import type { Phase } from "../program";
import { Block, PRELUDE } from "./wgsl";

/** Where something lies, in elements. */
export type Place = Pick<View, "buffer" | "offset">;

export interface Dispatch {
  readonly phase: Phase;
  /** What it computes, for people. */
  readonly label: string;
  /** A WGSL module with the entry `main`. */
  readonly code: string;
  /** What `bases` holds, in order. */
  readonly places: readonly Place[];
  readonly workgroups: number;
  readonly reads: readonly Buffer[];
  readonly writes: readonly Buffer[];
  /** Multiplications and additions of products. */
  readonly flops: number;
}

export class GpuProgram {
  readonly dispatches: Dispatch[] = [];
}

/** Workgroups in a row of the grid; each dimension may have 65,535. */
export const GRID = 32_768;

/** Threads of a workgroup that works element by element. */
export const THREADS = 64;

/** A shader that is being written. */
export class Shader {
  readonly places: Place[] = [];
  /** Functions and variables of the module. */
  readonly declarations: string[] = [];
  readonly main = new Block();

  /** An element's name: of the constants, which are only read, or of the memory. */
  at(place: Place, offset: string): string {
    const known = this.places.findIndex(({ buffer, offset }) => buffer === place.buffer && offset === place.offset);
    const index = known < 0 ? this.places.push(place) - 1 : known;
    const base = `bases[${index >> 2}].${"xyzw"[index & 3]}`;
    return `${place.buffer.data ? "constants" : "memory"}[${base} + ${offset}]`;
  }

  /**
   * The whole module. `main` knows `group`, the number of its workgroup, and `thread`, its number in that.
   * @param threads of a workgroup
   */
  code(threads: number): string {
    return `@group(0) @binding(0) var<storage, read> constants: array<f32>;
@group(0) @binding(1) var<storage, read_write> memory: array<f32>;
@group(0) @binding(2) var<uniform> bases: array<vec4<u32>, ${Math.max(1, Math.ceil(this.places.length / 4))}>;
@group(0) @binding(3) var<storage, read_write> bytes: array<u32>;
${PRELUDE}
${this.declarations.join("\n")}
@compute @workgroup_size(${threads})
fn main(@builtin(workgroup_id) id: vec3<u32>, @builtin(local_invocation_index) thread: u32) {
let group = id.x + ${GRID}u * id.y;
${this.main.lines.join("\n")}
}
`;
  }
}

/** Adds a dispatch of `items` threads or, with `threads` of a workgroup for each, of that many workgroups. */
export function addDispatch(
  program: GpuProgram,
  shader: Shader,
  { workgroups, threads = THREADS, ...rest }: Omit<Dispatch, "code" | "places"> & { readonly threads?: number },
): void {
  program.dispatches.push({ ...rest, workgroups, code: shader.code(threads), places: shader.places });
}

/** One thread for each of `count` items: its number, after those beyond the last have left. */
export function itemOf(shader: Shader, count: number): string {
  const item = shader.main.let(`group * ${THREADS}u + thread`);
  shader.main.lines.push(`if (${item} >= ${count}u) { return; }`);
  return item;
}

export const groupsFor = (count: number): number => Math.ceil(count / THREADS);
