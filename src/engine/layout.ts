/**
 * Where the elements of a tensor lie: for each axis the strides of its parts. An axis of 12 cells in 4 patches of 3 is
 * `[{ size: 4, stride: 432 }, { size: 3, stride: 1 }]`. With that, reshapes, transposes, splits and pixel shuffles are
 * changes of addressing; no element moves. After CuTe's layouts (NVIDIA, CUTLASS 3).
 */

/** A part of an axis; outer parts come first. Strides count elements. */
export interface Part {
  readonly size: number;
  readonly stride: number;
}
export type Axis = readonly Part[]; // empty: size 1
export type Layout = readonly Axis[];

export const product = (sizes: readonly number[]): number => sizes.reduce((a, b) => a * b, 1);
export const sizeOf = (axis: Axis): number => product(axis.map(({ size }) => size));
export const shapeOf = (layout: Layout): number[] => layout.map(sizeOf);

/** Row by row, without gaps. */
export function dense(shape: readonly number[]): Layout {
  let stride = product(shape);
  return shape.map((size) => {
    stride /= size;
    return size === 1 ? [] : [{ size, stride }];
  });
}

/** Joins neighbouring parts that one stride can walk. */
export function coalesce(axis: Axis): Part[] {
  const out: Part[] = [];
  for (const part of axis) {
    const outer = out.at(-1);
    if (part.size === 1) continue;
    if (outer && outer.stride === part.stride * part.size) {
      out[out.length - 1] = { size: outer.size * part.size, stride: part.stride };
    } else out.push(part);
  }
  return out;
}

/** The same elements in the same order under another shape; null where its axes cut across parts. */
export function reshape(layout: Layout, shape: readonly number[]): Layout | null {
  const rest = layout.flatMap((axis) => coalesce(axis)).reverse(); // outermost last
  const out: Part[][] = [];
  for (const size of shape) {
    const axis: Part[] = [];
    let missing = size;
    while (missing > 1) {
      const part = rest.pop();
      if (!part) return null;
      if (missing % part.size === 0) {
        axis.push(part);
        missing /= part.size;
      } else if (part.size % missing === 0) {
        const inner = part.size / missing;
        axis.push({ size: missing, stride: part.stride * inner });
        rest.push({ size: inner, stride: part.stride });
        missing = 1;
      } else return null;
    }
    out.push(axis);
  }
  return out;
}

/** `count` elements of an axis from `start` on; null where that cuts through parts. */
export function slice(
  layout: Layout,
  axis: number,
  start: number,
  count: number,
): { readonly layout: Layout; readonly offset: number } | null {
  const parts = coalesce(layout[axis] as Axis);
  const [first, ...inner] = parts;
  if (!first || count === sizeOf(parts)) return { layout, offset: 0 };
  const row = sizeOf(inner);
  if (count === 1) return { layout: layout.with(axis, []), offset: offsetIn(parts, start) };
  if (start % row || count % row) return null;
  const cut = [{ size: count / row, stride: first.stride }, ...inner];
  return { layout: layout.with(axis, cut), offset: (start / row) * first.stride };
}

/** Where element `index` of an axis lies. */
function offsetIn(axis: Axis, index: number): number {
  let [rest, offset] = [index, 0];
  for (const { size, stride } of [...axis].reverse()) {
    offset += (rest % size) * stride;
    rest = Math.floor(rest / size);
  }
  return offset;
}

/** Where each element of an axis lies. */
export function offsetsOf(axis: Axis): number[] {
  let offsets = [0];
  for (const { size, stride } of axis) {
    offsets = offsets.flatMap((offset) => Array.from({ length: size }, (_, i) => offset + i * stride));
  }
  return offsets;
}

/** As numpy broadcasts: axes are added in front, axes of size 1 are repeated. The shapes have been checked. */
export function broadcast(layout: Layout, shape: readonly number[]): Layout {
  const missing = shape.length - layout.length;
  return shape.map((size, i) => {
    const axis = layout[i - missing] ?? [];
    return sizeOf(axis) === size ? axis : [{ size, stride: 0 }];
  });
}

/** A loop that walks several operands at once. */
export interface Loop {
  readonly size: number;
  readonly strides: readonly number[];
}

/**
 * The loops of one axis over operands that part it differently: the coarsest parts that suit them all. Null when there
 * are none, as for parts of 2 × 3 and 3 × 2.
 */
export function commonLoops(axes: readonly Axis[]): Loop[] | null {
  const stacks = axes.map((axis) => coalesce(axis));
  const loops: Loop[] = [];
  for (;;) {
    const inner = stacks.map((parts) => parts.at(-1));
    const known = inner.filter((part) => part !== undefined);
    if (!known.length) return loops;
    if (known.length < inner.length) return null;
    const size = Math.min(...known.map((part) => part.size));
    if (known.some((part) => part.size % size)) return null;
    loops.unshift({ size, strides: known.map(({ stride }) => stride) });
    stacks.forEach((parts, i) => {
      const part = known[i] as Part;
      parts.pop();
      if (part.size > size) parts.push({ size: part.size / size, stride: part.stride * size });
    });
  }
}

/** Loops over all axes of layouts of one shape, in the order of the axes; null as for `commonLoops`. */
export function loopsOver(layouts: readonly Layout[]): Loop[] | null {
  const loops: Loop[] = [];
  for (let axis = 0; axis < (layouts[0] as Layout).length; axis++) {
    const size = sizeOf((layouts[0] as Layout)[axis] as Axis);
    if (size === 1) continue;
    const found = commonLoops(layouts.map((layout) => layout[axis] as Axis));
    if (!found) return null;
    loops.push(...found);
  }
  return loops;
}

/** Joins loops that all operands can walk as one. */
export function joinLoops(loops: readonly Loop[]): Loop[] {
  const out: Loop[] = [];
  for (const loop of loops) {
    const outer = out.at(-1);
    if (outer?.strides.every((stride, i) => stride === (loop.strides[i] as number) * loop.size)) {
      out[out.length - 1] = { size: outer.size * loop.size, strides: loop.strides };
    } else out.push(loop);
  }
  return out;
}

/** Orders loops so that the given operand is walked in its memory's order, its largest stride outermost. */
export const sortLoops = (loops: readonly Loop[], operand: number): Loop[] =>
  [...loops].sort((a, b) => (b.strides[operand] as number) - (a.strides[operand] as number));
