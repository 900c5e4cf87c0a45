/**
 * Means over axes: for each element that stays, one loop over those that go, four lanes of partial sums at a time where
 * they lie side by side. What follows the mean (a square root, say) is done before it is stored.
 */
import { type Expression, type Load, loadsOf, type Pending, type Result, type View } from "../expression";
import { joinLoops, type Layout, type Loop, loopsOver, product, sizeOf, sortLoops } from "../layout";
import { acrossLanes } from "../math";
import { addressOf, BYTES, evaluate, loadFour, loadOne, type Program, storeLanes } from "../program";
import { Func, f32x4, get, i32, type Local, set, v128 } from "../wasm";

/** The mean of `input` (loads only) over some of its axes, which have size 1 in the result. */
export function meanOf(program: Program, input: Expression, shape: readonly number[], axes: readonly number[]): Result {
  const kept = shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  return {
    shape: kept,
    finish(expression, target) {
      const inputs = loadsOf(input);
      const after = loadsOf(expression);
      const squeeze = (layout: Layout) => layout.filter((axis) => sizeOf(axis) > 1);
      const stays = (layout: Layout) => layout.filter((_, axis) => !axes.includes(axis));
      const operands: View[] = [target, ...after, ...inputs];
      const outer = [
        ...[target, ...after].map(({ layout }) => squeeze(layout)),
        ...inputs.map(({ layout }) => squeeze(stays(layout))),
      ];
      if (outer.some((layout) => layout.length !== (outer[0] as Layout).length)) return false;
      const keptLoops = loopsOver(outer);
      const gone = loopsOver(inputs.map(({ layout }) => layout.filter((_, axis) => axes.includes(axis))));
      if (!keptLoops || !gone?.length) return false;
      const outerLoops = joinLoops(sortLoops(keptLoops, 0));
      if (!outerLoops.length) outerLoops.push({ size: 1, strides: operands.map(() => 0) });
      const innerLoops = joinLoops(sortLoops(gone, 0));
      const count = product(axes.map((axis) => shape[axis] as number));
      emit(program, { input, expression, target, operands, after, inputs, outerLoops, innerLoops, count });
      return true;
    },
  };
}

interface Parts {
  readonly input: Expression;
  readonly expression: Expression;
  readonly target: View;
  readonly operands: readonly View[];
  readonly after: readonly Load[];
  readonly inputs: readonly Load[];
  readonly outerLoops: readonly Loop[];
  readonly innerLoops: readonly Loop[];
  readonly count: number;
}

function emit(program: Program, parts: Parts): void {
  const { input, expression, target, operands, after, inputs, outerLoops, innerLoops, count } = parts;
  const func = new Func(2 + operands.length);
  const pointers = operands.map((_, i) => func.param(2 + i));
  const own = 1 + after.length; // the input's operands begin here
  const bytes = (i: number) => BYTES[(operands[i] as View).buffer.kind];
  const move = (i: number, by: number) => {
    if (by) func.advance(pointers[i] as Local, i32.const(by * bytes(i)));
  };
  const sum = func.local("v128");
  const rest = func.local("v128");
  const last = innerLoops.at(-1) as Loop;
  const lanes = last.strides.every((stride) => stride < 2) ? 4 : 1;

  function addUp(into: Local, width: number): void {
    const value = evaluate(func, program.instructionSet, input, (leaf) => {
      const i = inputs.indexOf(leaf as Load);
      const address = get(pointers[own + i] as Local);
      const { buffer } = operands[own + i] as View;
      return width === 1 ? loadOne(buffer, address) : loadFour(buffer, address, last.strides[i] as number);
    });
    func.add(set(into, f32x4.add(get(into), get(value))));
    inputs.forEach((_, i) => {
      move(own + i, width * (last.strides[i] as number));
    });
  }
  function inside(depth: number): void {
    const loop = innerLoops[depth] as Loop;
    if (depth === innerLoops.length - 1) {
      const fours = lanes === 4 ? Math.floor(loop.size / 4) : 0;
      if (fours) func.times(fours, () => addUp(sum, 4));
      if (loop.size > 4 * fours) func.times(loop.size - 4 * fours, () => addUp(rest, 1));
    } else {
      func.times(loop.size, () => {
        inside(depth + 1);
        inputs.forEach((_, i) => {
          move(own + i, loop.strides[i] as number);
        });
      });
    }
    inputs.forEach((_, i) => {
      move(own + i, -loop.size * (loop.strides[i] as number));
    });
  }
  function nest(depth: number): void {
    const loop = outerLoops[depth];
    if (!loop) {
      func.add(set(sum, v128.f32(0)), set(rest, v128.f32(0)));
      inside(0);
      func.add(set(sum, f32x4.add(acrossLanes(func, sum, f32x4.add), get(rest))));
      const mean = func.let("v128", f32x4.mul(get(sum), v128.f32(1 / count)));
      const value = evaluate(func, program.instructionSet, expression, (leaf: Load | Pending) => {
        if (leaf.kind === "result") return get(mean);
        const i = 1 + after.indexOf(leaf);
        return loadOne(leaf.buffer, get(pointers[i] as Local));
      });
      storeLanes(func, target.buffer, get(pointers[0] as Local), value, 1, 1);
      return;
    }
    const body = () => {
      nest(depth + 1);
      operands.forEach((_, i) => {
        move(i, loop.strides[i] as number);
      });
    };
    if (depth > 0) {
      func.times(loop.size, body);
      operands.forEach((_, i) => {
        move(i, -loop.size * (loop.strides[i] as number));
      });
    } else {
      operands.forEach((_, i) => {
        const stride = (loop.strides[i] as number) * bytes(i);
        if (stride) func.advance(pointers[i] as Local, i32.mul(get(func.param(0)), i32.const(stride)));
      });
      func.range(func.local("i32"), get(func.param(0)), get(func.param(1)), 1, body);
    }
  }
  nest(0);
  program.steps.push({
    phase: "mean",
    label: "mean",
    func,
    args: operands.map(addressOf),
    reads: operands.slice(1).map(({ buffer }) => buffer),
    writes: [target.buffer],
    work: (outerLoops[0] as Loop).size,
    flops: 0,
    executed: 0,
  });
}
