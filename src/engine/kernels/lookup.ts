/**
 * Rows of a table by index: `target[i] = table[index[i]]`. Negative indices count from the end; those beyond the table
 * give its first or last row, so nothing outside it is ever read.
 */
import type { View } from "../expression";
import { addressOf, type Program } from "../program";
import { Func, get, i32, type Local, set, v128 } from "../wasm";

export interface LookupSize {
  readonly rows: number;
  readonly width: number;
  readonly count: number;
}

/** table float32 [rows, width], index float32 [count], target float32 [count, width]; all dense. */
export function addLookup(
  program: Program,
  table: View,
  index: View,
  target: View,
  { rows, width, count }: LookupSize,
): void {
  const func = new Func(5);
  const [first, last, from, indices, to] = func.params as [Local, Local, Local, Local, Local];
  const [row, cell, at] = [func.local("i32"), func.local("i32"), func.local("i32")];
  func.range(at, get(first), get(last), 1, () => {
    func.add(set(row, i32.truncLane(v128.load32Zero(i32.add(get(indices), i32.mul(get(at), i32.const(4)))))));
    func.if(i32.lt(get(row), i32.const(0)), () => func.advance(row, i32.const(rows)));
    func.if(i32.lt(get(row), i32.const(0)), () => func.add(set(row, i32.const(0))));
    func.if(i32.lt(i32.const(rows - 1), get(row)), () => func.add(set(row, i32.const(rows - 1))));
    func.range(cell, i32.const(0), i32.const(4 * width), 4, () => {
      const source = i32.add(i32.add(get(from), i32.mul(get(row), i32.const(4 * width))), get(cell));
      const place = i32.add(i32.add(get(to), i32.mul(get(at), i32.const(4 * width))), get(cell));
      func.add(i32.store(place, i32.load(source)));
    });
  });
  program.steps.push({
    phase: "lookup",
    label: "lookup",
    func,
    args: [table, index, target].map(addressOf),
    reads: [table.buffer, index.buffer],
    writes: [target.buffer],
    work: count,
    flops: 0,
    executed: 0,
  });
}
