/**
 * Element-wise kernels: one nest of loops over all axes, four elements at a time along the target's innermost one. Each
 * operand is one pointer that every loop advances by its stride; operands that don't change along a loop stay where they
 * are, so that broadcasting costs nothing. Memory-bound: what matters is that a chain of operators is one such pass.
 */
import { type Expression, type Load, loadsOf, type View } from "../expression";
import { joinLoops, type Loop, loopsOver, sortLoops } from "../layout";
import { addressOf, BYTES, evaluate, loadFour, loadOne, type Program, storeLanes } from "../program";
import { Func, get, i32, type Local } from "../wasm";

const ENOUGH = 8; // turns of the outermost loop, so that threads have about equal shares
const LEAST = 512; // elements of the innermost loop that are worth cutting

/** Brings the longest loop but the innermost to the front: its turns are what threads share. Cuts the innermost where all others are short. */
function shareOut(loops: Loop[]): void {
  const inner = loops.pop() as Loop;
  const parts = [16, 12, 9, 8].find((count) => inner.size % (4 * count) === 0);
  if (parts && inner.size >= LEAST && loops.every(({ size }) => size < ENOUGH)) {
    const size = inner.size / parts;
    loops.push({ size: parts, strides: inner.strides.map((stride) => stride * size) }, { ...inner, size });
  } else loops.push(inner);
  const outer = loops.slice(0, -1);
  const longest = outer.reduce((best, { size }, i) => (size > (outer[best] as Loop).size ? i : best), 0);
  loops.unshift(...loops.splice(longest, 1));
}

/** Adds a step that stores the expression. False when the operands' axes have no common loops. */
export function addElementwise(program: Program, expression: Expression, target: View, label: string): boolean {
  const loads = loadsOf(expression);
  const operands = [target, ...loads];
  const found = loopsOver(operands.map(({ layout }) => layout));
  if (!found) return false;
  const loops = joinLoops(sortLoops(found, 0));
  const scale = operands.map(({ buffer }) => BYTES[buffer.kind]);
  while (loops.length < 2) loops.unshift({ size: 1, strides: operands.map(() => 0) });
  shareOut(loops);

  const func = new Func(2 + operands.length);
  const [first, last] = [func.param(0), func.param(1)];
  const pointers = operands.map((_, i) => func.param(2 + i));
  const move = (by: (operand: number) => number) =>
    pointers.forEach((pointer, i) => {
      const bytes = by(i) * (scale[i] as number);
      if (bytes) func.advance(pointer, i32.const(bytes));
    });
  const outer = loops[0] as Loop;
  pointers.forEach((pointer, i) => {
    const stride = (outer.strides[i] as number) * (scale[i] as number);
    if (stride) func.advance(pointer, i32.mul(get(first), i32.const(stride)));
  });

  function body(inner: Loop, lanes: number): void {
    const value = evaluate(func, program.instructionSet, expression, (leaf) => {
      const i = 1 + loads.indexOf(leaf as Load);
      const address = get(pointers[i] as Local);
      const { buffer } = operands[i] as View;
      return lanes === 1 ? loadOne(buffer, address) : loadFour(buffer, address, inner.strides[i] as number);
    });
    storeLanes(func, target.buffer, get(pointers[0] as Local), value, inner.strides[0] as number, lanes);
    move((i) => lanes * (inner.strides[i] as number));
  }
  function nest(depth: number): void {
    const loop = loops[depth] as Loop;
    if (depth === loops.length - 1) {
      if (loop.size >= 4) func.times(Math.floor(loop.size / 4), () => body(loop, 4));
      const rest = loop.size % 4;
      if (rest === 0) return;
      // Side by side, what lies beyond the last one is read along and not stored; apart, it may lie outside the memory.
      if (loop.strides.slice(1).every((stride) => stride < 2)) body(loop, rest);
      else func.times(rest, () => body(loop, 1));
      return;
    }
    const inner = loops[depth + 1] as Loop;
    const step = () => {
      nest(depth + 1);
      move((i) => (loop.strides[i] as number) - inner.size * (inner.strides[i] as number));
    };
    if (depth > 0) func.times(loop.size, step);
    else func.range(func.local("i32"), get(first), get(last), 1, step);
  }
  nest(0);

  program.steps.push({
    phase: "elementwise",
    label,
    func,
    args: operands.map(addressOf),
    reads: loads.map(({ buffer }) => buffer),
    writes: [target.buffer],
    work: outer.size,
    flops: 0,
    executed: 0,
  });
  return true;
}
