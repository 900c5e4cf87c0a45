/** What is done to a kernel's results before they are stored, and where they go: a function of the shader. */
import { type Expression, type Load, loadsOf, pendingOf, type View } from "../expression";
import { type Layout, type Loop, loopsOver, product } from "../layout";
import type { Shader } from "./dispatch";
import { Block, evaluate, stored } from "./wgsl";

export interface Epilogue {
  readonly loads: readonly Load[];
  /** Adds `finish(place, value)` to the shader, for the result's place, row by row, and the value there. */
  declare(shader: Shader): void;
}

/** Null when axes cut across each other, or the target isn't the whole result: then it is stored as it is. */
export function planEpilogue(expression: Expression, target: View, count: number): Epilogue | null {
  const loads = loadsOf(expression);
  const [result] = pendingOf(expression);
  const views = [target, ...loads];
  const loops = result && loopsOver([result, ...views].map(({ layout }): Layout => layout));
  if (!loops || product(loops.map(({ size }) => size)) !== count) return null;
  const stride = ({ strides }: Loop, operand: number) => strides[operand] as number;
  if (loops.some((loop) => stride(loop, 0) === 0)) return null;
  return {
    loads,
    declare(shader) {
      const block = new Block();
      const turns = loops.map((loop) => block.let(`place / ${stride(loop, 0)}u % ${loop.size}u`));
      const offset = (view: number) =>
        loops.map((loop, l) => `${turns[l]} * ${stride(loop, 1 + view)}u`).join(" + ") || "0u";
      const value = evaluate(block, expression, (leaf) =>
        leaf.kind === "result" ? "value" : shader.at(leaf, offset(1 + loads.indexOf(leaf))),
      );
      block.lines.push(`${shader.at(target, offset(0))} = ${stored(target.buffer.kind, value)};`);
      shader.declarations.push(`fn finish(place: u32, value: f32) {\n${block.lines.join("\n")}\n}`);
    },
  };
}
