/** One pass over memory: a thread for each element, in the order of the target. */
import { type Expression, type Load, loadsOf, type View } from "../expression";
import { product, shapeOf } from "../layout";
import { addDispatch, type GpuProgram, groupsFor, itemOf, Shader } from "./dispatch";
import { evaluate, offsetsOf, stored } from "./wgsl";

/** Adds a dispatch that stores the expression, whatever its axes. */
export function addElementwise(program: GpuProgram, expression: Expression, target: View, label: string): void {
  const loads = loadsOf(expression);
  const count = product(shapeOf(target.layout));
  const shader = new Shader();
  const item = itemOf(shader, count);
  const [to, ...from] = offsetsOf(
    shader.main,
    [target, ...loads].map(({ layout }) => layout),
    item,
  );
  const value = evaluate(shader.main, expression, (leaf) =>
    shader.at(leaf as Load, from[loads.indexOf(leaf as Load)] as string),
  );
  shader.main.lines.push(`${shader.at(target, to as string)} = ${stored(target.buffer.kind, value)};`);
  addDispatch(program, shader, {
    phase: "elementwise",
    label,
    workgroups: groupsFor(count),
    reads: loads.map(({ buffer }) => buffer),
    writes: [target.buffer],
    flops: 0,
  });
}
