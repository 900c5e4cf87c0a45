/**
 * Softmax over rows that lie without gaps, in place or from one buffer to another: maximum, exponentials and their sum,
 * division; three passes over a row that stays in the first-level cache. Work is split by rows.
 */
import type { View } from "../expression";
import { acrossLanes, exp } from "../math";
import { addressOf, type Program } from "../program";
import { Func, f32x4, get, i32, set, v128 } from "../wasm";

/** `input` and `target` are dense float32 [rows, length]. */
export function addSoftmax(program: Program, input: View, target: View, rows: number, length: number): void {
  const func = new Func(4);
  const from = func.param(2);
  const to = func.param(3);
  const [sum, rest, largest] = [func.local("v128"), func.local("v128"), func.local("v128")];
  const at = func.local("i32");
  const fours = Math.floor(length / 4);
  const ones = length % 4;
  const bytes = i32.const(4 * length);
  func.advance(from, i32.mul(get(func.param(0)), bytes));
  func.advance(to, i32.mul(get(func.param(0)), bytes));

  /** `body` for the offset of each four, then of each one that is left. */
  const along = (body: (lanes: 4 | 1) => void) => {
    func.add(set(at, i32.const(0)));
    for (const [lanes, count] of [[4, fours] as const, [1, ones] as const]) {
      if (!count) continue;
      func.times(count, () => {
        body(lanes);
        func.advance(at, i32.const(4 * lanes));
      });
    }
  };
  const here = (base: typeof from) => i32.add(get(base), get(at));
  func.range(func.local("i32"), get(func.param(0)), get(func.param(1)), 1, () => {
    func.add(set(largest, v128.load32Splat(get(from))), set(sum, v128.f32(0)), set(rest, v128.f32(0)));
    along((lanes) => {
      const value = lanes === 4 ? v128.load(here(from)) : v128.load32Splat(here(from));
      func.add(set(largest, f32x4.pmax(get(largest), value)));
    });
    func.add(set(largest, acrossLanes(func, largest, f32x4.pmax)));
    along((lanes) => {
      const value = lanes === 4 ? v128.load(here(from)) : v128.load32Splat(here(from));
      const power = func.let("v128", exp(func, program.instructionSet, f32x4.sub(value, get(largest))));
      func.add(lanes === 4 ? v128.store(here(to), get(power)) : v128.store32Lane(here(to), get(power), 0));
      const into = lanes === 4 ? sum : rest;
      func.add(set(into, f32x4.add(get(into), get(power))));
    });
    func.add(set(sum, f32x4.add(acrossLanes(func, sum, f32x4.add), get(rest))));
    func.add(set(sum, f32x4.div(v128.f32(1), get(sum))));
    along((lanes) => {
      if (lanes === 4) func.add(v128.store(here(to), f32x4.mul(v128.load(here(to)), get(sum))));
      else func.add(v128.store32Lane(here(to), f32x4.mul(v128.load32Splat(here(to)), get(sum)), 0));
    });
    func.advance(from, bytes);
    func.advance(to, bytes);
  });
  program.steps.push({
    phase: "softmax",
    label: "softmax",
    func,
    args: [addressOf(input), addressOf(target)],
    reads: [input.buffer],
    writes: [target.buffer],
    work: rows,
    flops: 0,
    executed: 0,
  });
}
