/** Means: a thread for each where there is little to add up, else a workgroup. */
import { type Expression, type Load, loadsOf, type Result } from "../expression";
import { type Layout, product } from "../layout";
import { addDispatch, type GpuProgram, groupsFor, itemOf, Shader, THREADS } from "./dispatch";
import { planEpilogue } from "./epilogue";
import { Block, evaluate, offsetsOf } from "./wgsl";

export function meanOf(
  program: GpuProgram,
  input: Expression,
  shape: readonly number[],
  axes: readonly number[],
): Result {
  const kept = shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  return {
    shape: kept,
    finish(expression, target) {
      const results = product(kept);
      const count = product(shape) / results;
      const epilogue = planEpilogue(expression, target, results);
      if (!epilogue) return false;
      const inputs = loadsOf(input);
      const shader = new Shader();
      epilogue.declare(shader);
      declareInput(shader, input, inputs, axes);
      const isShort = count <= THREADS;
      if (isShort) addSerial(shader, results, count);
      else addParallel(shader, count);
      addDispatch(program, shader, {
        phase: "mean",
        label: "mean",
        workgroups: isShort ? groupsFor(results) : results,
        reads: [...inputs, ...epilogue.loads].map(({ buffer }) => buffer),
        writes: [target.buffer],
        flops: 0,
      });
      return true;
    },
  };
}

/** `input(place, i)`: the i-th of the numbers whose mean is that of the result's place. */
function declareInput(shader: Shader, input: Expression, inputs: readonly Load[], axes: readonly number[]): void {
  const block = new Block();
  const of = (isGone: boolean) => (layout: Layout) => layout.filter((_, axis) => axes.includes(axis) === isGone);
  const layouts = inputs.map(({ layout }) => layout);
  const keptShape = layouts.map(of(false));
  const outer = keptShape[0] ? axisByAxis(block, keptShape) : [];
  const inner = layouts[0] ? offsetsOf(block, layouts.map(of(true)), "i") : [];
  const value = evaluate(block, input, (leaf) => {
    const at = inputs.indexOf(leaf as Load);
    return shader.at(leaf as Load, `${outer[at]} + ${inner[at]}`);
  });
  shader.declarations.push(`fn input(place: u32, i: u32) -> f32 {\n${block.lines.join("\n")}\nreturn ${value};\n}`);
}

/** By the result's place, which counts row by row whatever the order in memory: a dense guide keeps that order. */
function axisByAxis(block: Block, layouts: readonly Layout[]): string[] {
  const shape = (layouts[0] as Layout).map((axis) => product(axis.map(({ size }) => size)));
  let stride = product(shape);
  const rows: Layout = shape.map((size) => {
    stride /= size;
    return size === 1 ? [] : [{ size, stride }];
  });
  return offsetsOf(block, [rows, ...layouts], "place").slice(1);
}

function addSerial(shader: Shader, results: number, count: number): void {
  const item = itemOf(shader, results);
  shader.main.lines.push(
    "var sum = 0.0;",
    `for (var i = 0u; i < ${count}u; i++) { sum += input(${item}, i); }`,
    `finish(${item}, sum * ${1 / count}f);`,
  );
}

function addParallel(shader: Shader, count: number): void {
  shader.declarations.push(`var<workgroup> sums: array<f32, ${THREADS}>;`);
  shader.main.lines.push(
    "var sum = 0.0;",
    `for (var i = thread; i < ${count}u; i += ${THREADS}u) { sum += input(group, i); }`,
    "sums[thread] = sum;",
    ...foldLines("sums", "sums[thread] + sums[thread + half]"),
    `if (thread == 0u) { finish(group, sums[0] * ${1 / count}f); }`,
  );
}

/** Halves what each thread of a workgroup has left in an array until the first element is all of it. */
export const foldLines = (array: string, both: string): string[] => [
  "workgroupBarrier();",
  `for (var half = ${THREADS / 2}u; half > 0u; half /= 2u) {`,
  `if (thread < half) { ${array}[thread] = ${both}; }`,
  "workgroupBarrier();",
  "}",
];
