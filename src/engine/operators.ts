/**
 * What each ONNX operator means: views where it only moves elements, expressions where it works element by element, kernels
 * for the rest. These are the operators that `training/package/export.py` writes; another one is a named error.
 */
import { UnsupportedGraphError } from "../errors";
import { type Buffer, type Expression, load, type View } from "./expression";
import { addLookup } from "./kernels/lookup";
import { meanOf, pending } from "./kernels/mean";
import { productOf } from "./kernels/product";
import { addSoftmax } from "./kernels/softmax";
import { winogradOf, winogradTile } from "./kernels/winograd";
import { dense, type Layout, product, reshape } from "./layout";
import { expressed, type Lowering, type Value } from "./lower";
import type { Operator } from "./math";
import type { Node } from "./onnx";

type Operation = (at: Lowering, node: Node) => Value[];

const unsupported = (node: Node, what: string) => new UnsupportedGraphError(`${node.operator}: expected ${what}`);

function integer(node: Node, name: string, fallback: number): number {
  const value = node.attributes.get(name) ?? fallback;
  if (typeof value !== "number") throw unsupported(node, `a number for ${name}`);
  return value;
}
function integers(node: Node, name: string, fallback: readonly number[]): readonly number[] {
  const value = node.attributes.get(name) ?? fallback;
  if (!Array.isArray(value)) throw unsupported(node, `a list for ${name}`);
  return value;
}
function text(node: Node, name: string, fallback: string): string {
  const value = node.attributes.get(name) ?? fallback;
  if (typeof value !== "string") throw unsupported(node, `text for ${name}`);
  return value;
}

/** An axis counted from the front. */
function axisOf(node: Node, axis: number, rank: number): number {
  const found = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(found) || found < 0 || found >= rank)
    throw unsupported(node, `an axis below ${rank}, got ${axis}`);
  return found;
}

const elementwise =
  (operator: Operator, inputs: number): Operation =>
  (at, node) => {
    if (node.inputs.length !== inputs) throw unsupported(node, `${inputs} inputs, got ${node.inputs.length}`);
    return [at.apply(operator, ...node.inputs.map((_, i) => at.value(node, i)))];
  };

/** Min and Max take any number of inputs. */
const folded =
  (operator: Operator): Operation =>
  (at, node) => [node.inputs.map((_, i) => at.value(node, i)).reduce((a, b) => at.apply(operator, a, b))];

export const OPERATIONS: Readonly<Record<string, Operation>> = {
  Add: elementwise("add", 2),
  Sub: elementwise("sub", 2),
  Mul: elementwise("mul", 2),
  Div: elementwise("div", 2),
  Min: folded("min"),
  Max: folded("max"),
  Less: elementwise("less", 2),
  Where: elementwise("where", 3),
  Sqrt: elementwise("sqrt", 1),
  Neg: elementwise("neg", 1),
  Exp: elementwise("exp", 1),
  Relu: elementwise("relu", 1),
  Sigmoid: elementwise("sigmoid", 1),
  Silu: elementwise("silu", 1), // x · sigmoid(x), joined in `graph.ts`
  Tanh: elementwise("tanh", 1),
  Identity: (at, node) => [at.value(node, 0)],

  Pow(at, node) {
    const [exponent, ...more] = at.numbers(node, 1);
    if (more.length || (exponent !== 2 && exponent !== 0.5)) throw unsupported(node, "an exponent of 2 or 0.5");
    return [at.apply(exponent === 2 ? "square" : "sqrt", at.value(node, 0))];
  },

  Clip(at, node) {
    let value = at.value(node, 0);
    if (at.has(node, 1)) value = at.apply("max", value, at.value(node, 1));
    if (at.has(node, 2)) value = at.apply("min", value, at.value(node, 2));
    return [value];
  },

  /** Values are floats inside; whole numbers among them are exact up to 2²⁴, far beyond any index or age. */
  Cast(at, node) {
    const [float, uint8, int32, int64, half] = [1, 2, 6, 7, 10];
    const to = integer(node, "to", 0);
    if (to === float || to === half) return [at.value(node, 0)];
    if ([uint8, int32, int64].includes(to)) return [at.apply("trunc", at.value(node, 0))];
    throw unsupported(node, "float32, float16, uint8, int32 or int64");
  },

  Reshape(at, node) {
    const value = at.value(node, 0);
    const wanted = at.numbers(node, 1);
    const keepZeros = integer(node, "allowzero", 0) === 1;
    const sizes = wanted.map((size, i) => (size === 0 && !keepZeros ? (value.shape[i] ?? 0) : size));
    const rest = product(sizes.filter((size) => size !== -1));
    const shape = sizes.map((size) => (size === -1 ? product(value.shape) / rest : size));
    if (shape.some((size) => !Number.isInteger(size) || size < 1)) throw unsupported(node, "a fixed shape");
    return [at.reshape(value, shape)];
  },
  Unsqueeze(at, node) {
    const value = at.value(node, 0);
    const rank = value.shape.length + at.numbers(node, 1).length;
    const axes = at.numbers(node, 1).map((axis) => axisOf(node, axis, rank));
    const rest = [...value.shape];
    return [
      at.reshape(
        value,
        Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : (rest.shift() ?? 1))),
      ),
    ];
  },
  Squeeze(at, node) {
    const value = at.value(node, 0);
    const axes = at.numbers(node, 1).map((axis) => axisOf(node, axis, value.shape.length));
    return [
      at.reshape(
        value,
        value.shape.filter((_, i) => !axes.includes(i)),
      ),
    ];
  },
  Transpose(at, node) {
    const value = at.value(node, 0);
    const order = integers(
      node,
      "perm",
      value.shape.map((_, i) => value.shape.length - 1 - i),
    );
    if ([...order].sort((a, b) => a - b).some((axis, i) => axis !== i) || order.length !== value.shape.length) {
      throw unsupported(node, "an order of all axes");
    }
    return [at.transpose(value, order)];
  },
  Expand(at, node) {
    const value = at.value(node, 0);
    const zeros = { kind: "number", value: 0 } as const;
    const wanted = at.numbers(node, 1);
    return [at.apply("add", value, expressed(wanted, zeros))];
  },
  Concat(at, node) {
    const parts = node.inputs.map((_, i) => at.value(node, i));
    const first = parts[0] as Value;
    const axis = axisOf(node, integer(node, "axis", 0), first.shape.length);
    const others = (value: Value) => value.shape.with(axis, 0).join();
    if (parts.some((part) => part.shape.length !== first.shape.length || others(part) !== others(first))) {
      throw unsupported(node, "parts of one shape");
    }
    const length = parts.reduce((sum, part) => sum + (part.shape[axis] as number), 0);
    return [{ kind: "joined", shape: first.shape.with(axis, length), axis, parts }];
  },
  Split(at, node) {
    const value = at.value(node, 0);
    const axis = axisOf(node, integer(node, "axis", 0), value.shape.length);
    const length = value.shape[axis] as number;
    const count = node.outputs.length;
    const chunk = Math.ceil(length / count);
    const sizes = at.has(node, 1)
      ? at.numbers(node, 1)
      : node.outputs.map((_, i) => Math.min(chunk, length - i * chunk));
    if (sizes.length !== count || sizes.reduce((a, b) => a + b, 0) !== length)
      throw unsupported(node, "sizes that add up");
    const whole = expressed(value.shape, at.stored(value));
    let start = 0;
    return sizes.map((size) => {
      start += size;
      return at.slice(whole, axis, start - size, size);
    });
  },
  Slice(at, node) {
    let value = at.value(node, 0);
    const [starts, ends] = [at.numbers(node, 1), at.numbers(node, 2)];
    const axes = at.has(node, 3) ? at.numbers(node, 3) : starts.map((_, i) => i);
    if (at.has(node, 4) && at.numbers(node, 4).some((step) => step !== 1)) throw unsupported(node, "steps of 1");
    axes.forEach((given, i) => {
      const axis = axisOf(node, given, value.shape.length);
      const size = value.shape[axis] as number;
      const clamp = (index: number) => Math.min(size, Math.max(0, index < 0 ? index + size : index));
      const [from, to] = [clamp(starts[i] ?? 0), clamp(ends[i] ?? size)];
      value = at.slice(value, axis, from, to - from);
    });
    return [value];
  },

  Gather(at, node) {
    const value = at.value(node, 0);
    const axis = axisOf(node, integer(node, "axis", 0), value.shape.length);
    const constant = at.constant(node.inputs[1]);
    const shape = [...value.shape.slice(0, axis), ...at.value(node, 1).shape, ...value.shape.slice(axis + 1)];
    if (constant?.data.length === 1) {
      const size = value.shape[axis] as number;
      const index = constant.data[0] as number;
      return [at.reshape(at.slice(value, axis, index < 0 ? index + size : index, 1), shape)];
    }
    if (axis !== 0) throw unsupported(node, "one constant index, or axis 0");
    return [lookup(at, value, at.value(node, 1), shape)];
  },
  GatherND(at, node) {
    const value = at.value(node, 0);
    const index = at.value(node, 1);
    if (integer(node, "batch_dims", 0) !== 0 || index.shape.at(-1) !== 1) {
      throw unsupported(node, "indices of the first axis");
    }
    return [lookup(at, value, index, [...index.shape.slice(0, -1), ...value.shape.slice(1)])];
  },

  DepthToSpace(at, node) {
    const value = at.value(node, 0);
    const block = integer(node, "blocksize", 0);
    const [n, c, h, w] = value.shape as [number, number, number, number];
    const deep = c / block ** 2;
    if (value.shape.length !== 4 || !Number.isInteger(deep)) throw unsupported(node, "[N, C·b², H, W]");
    const columnFirst = text(node, "mode", "DCR") === "CRD";
    const split = columnFirst ? [n, deep, block, block, h, w] : [n, block, block, deep, h, w];
    const order = columnFirst ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2];
    return [at.reshape(at.transpose(at.reshape(value, split), order), [n, deep, h * block, w * block])];
  },

  ReduceMean(at, node) {
    const value = at.value(node, 0);
    if (!at.has(node, 1)) throw unsupported(node, "axes");
    const axes = at.numbers(node, 1).map((axis) => axisOf(node, axis, value.shape.length));
    const expression = at.expression(value);
    const input = expression.kind === "load" || isLoaded(expression) ? expression : at.stored(value);
    const mean = meanOf(at.program, input, value.shape, axes);
    const kept = expressed(mean.shape, pending(mean));
    if (integer(node, "keepdims", 1) === 1) return [kept];
    return [
      at.reshape(
        kept,
        value.shape.filter((_, i) => !axes.includes(i)),
      ),
    ];
  },

  Softmax(at, node) {
    const value = at.value(node, 0);
    const axis = axisOf(node, integer(node, "axis", -1), value.shape.length);
    if (axis !== value.shape.length - 1) throw unsupported(node, "the last axis");
    const view = at.dense(value);
    const length = value.shape[axis] as number;
    const buffer: Buffer = { kind: "float32", size: product(value.shape), place: "work" };
    const target: View = { buffer, layout: dense(value.shape), offset: 0 };
    addSoftmax(at.program, view, target, product(value.shape) / length, length);
    return [expressed(value.shape, load(target))];
  },

  MatMul: (at, node) => [matmul(at, at.value(node, 0), at.value(node, 1), "matmul")],

  Gemm(at, node) {
    const turned = (index: number, name: string) => {
      const value = at.value(node, index);
      if (value.shape.length !== 2) throw unsupported(node, "matrices");
      return integer(node, name, 0) === 1 ? at.transpose(value, [1, 0]) : value;
    };
    if (integer(node, "alpha", 1) !== 1 || integer(node, "beta", 1) !== 1)
      throw unsupported(node, "alpha and beta of 1");
    const result = matmul(at, turned(0, "transA"), turned(1, "transB"), "gemm");
    return [at.has(node, 2) ? at.apply("add", result, at.value(node, 2)) : result];
  },

  Conv: (at, node) => [convolution(at, node)],
};

/** Nothing in it waits for a kernel. */
const isLoaded = (expression: Expression): boolean =>
  expression.kind === "apply" ? expression.args.every(isLoaded) : expression.kind !== "result";

function lookup(at: Lowering, table: Value, index: Value, shape: readonly number[]): Value {
  const rows = table.shape[0] as number;
  const width = product(table.shape) / rows;
  const buffer: Buffer = { kind: "float32", size: product(shape), place: "work" };
  const target: View = { buffer, layout: dense(shape), offset: 0 };
  addLookup(at.program, at.dense(table), at.dense(index), target, { rows, width, count: product(index.shape) });
  return expressed(shape, load(target));
}

/** [..., rows, k] × [..., k, columns]; leading axes are broadcast. */
function matmul(at: Lowering, left: Value, right: Value, label: string): Value {
  const [a, b] = [left.shape, right.shape];
  const [rows, depth, columns] = [a.at(-2) ?? 1, a.at(-1) as number, b.at(-1) as number];
  if (a.length < 1 || b.length < 2 || b.at(-2) !== depth) {
    throw new UnsupportedGraphError(`MatMul: expected matrices that fit, got [${a.join(", ")}] and [${b.join(", ")}]`);
  }
  if (product(b.slice(0, -2)) === 1) {
    const flat = at.reshape(left, [1, product(a) / depth, depth]);
    const result = multiply(at, flat, at.reshape(right, [1, depth, columns]), label);
    return at.reshape(result, [...a.slice(0, -1), columns]);
  }
  const lead = a.slice(0, -2);
  if (lead.join() !== b.slice(0, -2).join()) {
    throw new UnsupportedGraphError(
      `MatMul: expected the same leading axes, got [${a.join(", ")}] and [${b.join(", ")}]`,
    );
  }
  const batch = product(lead);
  const result = multiply(
    at,
    at.reshape(left, [batch, rows, depth]),
    at.reshape(right, [batch, depth, columns]),
    label,
  );
  return at.reshape(result, [...lead, rows, columns]);
}

/** [batch, rows, k] × [batch, k, columns]: by packed weights, by rows as they lie, or the other way round. */
function multiply(at: Lowering, left: Value, right: Value, label: string): Value {
  const [batch, rows, depth] = left.shape as [number, number, number];
  const columns = right.shape[2] as number;
  const shape = [batch, rows, columns];
  const weights = at.known(right);
  if (weights) {
    const result =
      productOf(at.program, { left: viewsOf(at, left, 1), right: [weights], label }) ??
      productOf(at.program, { left: [at.dense(left)], right: [weights], label });
    if (result) return expressed(shape, pending(result));
  }
  const pieces = viewsOf(at, right, 1);
  if (pieces.every((piece) => isRowByRow(piece.layout[2] ?? []))) {
    const result = productOf(at.program, { left: [viewOf(at, left)], right: pieces, label });
    if (result) return expressed(shape, pending(result));
  }
  const turned = at.transpose(right, [0, 2, 1]);
  const turnedRows = viewsOf(at, turned, 1);
  if (turnedRows.every((piece) => isRowByRow(piece.layout[2] ?? []))) {
    const buffer: Buffer = { kind: "float32", size: product(left.shape), place: "work" };
    const columnsFirst = dense([batch, depth, rows]);
    const layout: Layout = [columnsFirst[0] ?? [], columnsFirst[2] ?? [], columnsFirst[1] ?? []];
    const stored = at.store(left, { buffer, layout, offset: 0 });
    const result = productOf(at.program, {
      left: turnedRows,
      right: [{ ...stored, layout: columnsFirst }],
      label,
    });
    if (result) return at.transpose(expressed([batch, columns, rows], pending(result)), [0, 2, 1]);
  }
  const result = productOf(at.program, { left: [at.dense(left)], right: [at.dense(right)], label });
  if (!result) throw new UnsupportedGraphError("MatMul: expected factors with common axes, got others");
  return expressed(shape, pending(result));
}

const isRowByRow = (axis: Layout[number]) => axis.length === 0 || (axis.length === 1 && axis[0]?.stride === 1);

/** In memory as float32, in whatever order. */
function viewOf(at: Lowering, value: Value): View {
  const view = at.stored(value);
  return view.buffer.kind === "float32" ? view : at.dense(value);
}

/** The parts of what is joined along an axis, or one view. */
const viewsOf = (at: Lowering, value: Value, axis: number): View[] =>
  value.kind === "joined" && value.axis === axis ? value.parts.map((part) => viewOf(at, part)) : [viewOf(at, value)];

/** A convolution as a product: by Winograd's tiles where they fit, or of patches that are read in place. */
function convolution(at: Lowering, node: Node): Value {
  const value = at.value(node, 0);
  const weights = at.known(at.value(node, 1));
  const [filters, channels, down, across] = at.value(node, 1).shape as [number, number, number, number];
  const [n, c, height, width] = value.shape as [number, number, number, number];
  const pads = integers(node, "pads", [0, 0, 0, 0]) as [number, number, number, number];
  const strides = integers(node, "strides", [1, 1]) as [number, number];
  const dilations = integers(node, "dilations", [1, 1]) as [number, number];
  const sound =
    value.shape.length === 4 &&
    at.value(node, 1).shape.length === 4 &&
    n === 1 &&
    c === channels &&
    integer(node, "group", 1) === 1 &&
    pads.length === 4 &&
    pads.every((pad) => pad >= 0 && pad < 64) &&
    [...strides, ...dilations].every((step) => step >= 1) &&
    ["NOTSET", "VALID"].includes(text(node, "auto_pad", "NOTSET"));
  if (!weights || !sound) throw unsupported(node, "a plain convolution of one picture by constant weights");
  const reach = (taps: number, dilation: number) => (taps - 1) * dilation + 1;
  const outHeight = Math.floor((height + pads[0] + pads[2] - reach(down, dilations[0])) / strides[0]) + 1;
  const outWidth = Math.floor((width + pads[1] + pads[3] - reach(across, dilations[1])) / strides[1]) + 1;
  if (outHeight < 1 || outWidth < 1) throw unsupported(node, "a picture larger than the filter");
  const picture = { height: outHeight, width: outWidth, channels, filters };

  const unpadded = pads.every((pad) => pad === 0) && value.kind === "expression" && value.expression.kind === "load";
  const input = unpadded ? viewOf(at, value) : padded(at, value, pads);
  const plain = [down, across].every((taps) => taps === 3) && [...strides, ...dilations].every((step) => step === 1);
  const tile = plain && pads.every((pad) => pad === 1) ? winogradTile({ ...picture, input, weights }) : null;
  const result = tile ? winogradOf(at.program, { ...picture, input, weights }, tile) : patches(at);
  if (!result) throw unsupported(node, "axes that go together");
  const rows = expressed([1, outHeight * outWidth, filters], pending(result));
  const sum = at.transpose(at.reshape(rows, [1, outHeight, outWidth, filters]), [0, 3, 1, 2]);
  if (!at.has(node, 2)) return sum;
  return at.apply("add", sum, at.reshape(at.value(node, 2), [filters, 1, 1]));

  /** [1, pixels, channels · taps] × [1, channels · taps, filters] */
  function patches(lowering: Lowering) {
    const [, cell, line, column] = input.layout as [never, Layout[number], Layout[number], Layout[number]];
    const step = (axis: Layout[number]) => axis[0]?.stride ?? 0;
    const walk = (axis: Layout[number], size: number, by: number) =>
      size === 1 ? [] : [{ size, stride: step(axis) * by }];
    const left: View = {
      ...input,
      layout: [
        [],
        [...walk(line, outHeight, strides[0]), ...walk(column, outWidth, strides[1])],
        [...cell, ...walk(line, down, dilations[0]), ...walk(column, across, dilations[1])],
      ],
    };
    const matrix = reshape((weights as View).layout, [1, filters, channels * down * across]);
    if (!matrix || [cell, line, column].some((axis) => axis.length > 1)) return null;
    const right: View = { ...(weights as View), layout: [matrix[0] ?? [], matrix[2] ?? [], matrix[1] ?? []] };
    return productOf(lowering.program, { left: [left], right: [right], label: `conv ${down}×${across}` });
  }
}

/** Copies a picture [1, C, H, W] to pixels of C channels with a border of zeros. */
function padded(
  at: Lowering,
  value: Value,
  [top, left, bottom, right]: readonly [number, number, number, number],
): View {
  const [, channels, height, width] = value.shape as [number, number, number, number];
  const line = channels * (width + left + right);
  const buffer: Buffer = {
    kind: "float32",
    size: line * (height + top + bottom),
    place: "padded",
    shape: [channels, height, width, top, left, bottom, right].join(),
  };
  const axis = (size: number, stride: number) => (size === 1 ? [] : [{ size, stride }]);
  const layout = (h: number, w: number): Layout => [[], axis(channels, 1), axis(h, line), axis(w, channels)];
  at.store(value, { buffer, layout: layout(height, width), offset: top * line + left * channels });
  return { buffer, layout: layout(height + top + bottom, width + left + right), offset: 0 };
}
