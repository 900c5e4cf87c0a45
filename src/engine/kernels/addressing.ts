/** Addresses of a kernel's rows and columns: a stride where they are evenly spaced, a table in memory where not. */
import type { Address, Table } from "../program";
import { type Code, type Func, get, i32 } from "../wasm";

export interface Addressing {
  /** The entry of the table at `index`. */
  at(func: Func, index: Code): Code;
}

/** Arguments of a step that is being built: each is one more parameter of its function, after the two of its work. */
export class Arguments {
  readonly list: (Address | Table)[] = [];

  get parameters(): number {
    return 2 + this.list.length;
  }

  add(argument: Address | Table): number {
    return 1 + this.list.push(argument);
  }

  addressing(table: Table): Addressing {
    const first = table[0] ?? 0;
    const step = table.length > 1 ? distance(first, table[1] as Address | number) : 0;
    const even = table.every((entry, i) => distance(first, entry) === i * step);
    if (!even) {
      const param = this.add(table);
      return {
        at: (func, index) => i32.load(i32.add(get(func.param(param)), i32.mul(index, i32.const(4)))),
      };
    }
    const scaled = (index: Code) => i32.mul(index, i32.const(step));
    if (typeof first === "number") {
      return { at: (_, index) => (step ? i32.add(i32.const(first), scaled(index)) : i32.const(first)) };
    }
    const param = this.add(first);
    return {
      at: (func, index) => (step ? i32.add(get(func.param(param)), scaled(index)) : get(func.param(param))),
    };
  }
}

/** Bytes from one to the other; NaN where they lie in different buffers. */
function distance(from: Address | number, to: Address | number): number {
  if (typeof from === "number" && typeof to === "number") return to - from;
  if (typeof from === "number" || typeof to === "number" || from.buffer !== to.buffer) return Number.NaN;
  return to.offset - from.offset;
}
