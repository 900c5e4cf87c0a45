/**
 * What each ONNX operator means: views where it only moves elements, expressions where it works element by element, kernels
 * for the rest. These are the operators that `training/package/export.py` writes; another one is a named error.
 */
import { axisOf, integer, integers, text, unsupported } from "./attributes";
import { convolution } from "./convolution";
import { type Expression, load, loadsOf, pending, workView } from "./expression";
import { product } from "./layout";
import type { Lowering } from "./lower";
import type { Operator } from "./math";
import { matmul } from "./matmul";
import type { Node } from "./onnx";
import { gridSample, resize } from "./sampling";
import { expressed, type Value } from "./value";

type Operation = (at: Lowering, node: Node) => Value[];

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
  Div(at, node) {
    const whole = (index: number) =>
      at.constant(node.inputs[index])?.data instanceof Int32Array ||
      loadsOf(at.expression(at.value(node, index))).some(({ buffer }) => buffer.kind === "int32");
    if (whole(0) || whole(1)) throw unsupported(node, "floats"); // ONNX rounds quotients of whole numbers
    return elementwise("div", 2)(at, node);
  },
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
    const mean = at.kernels.mean(input, value.shape, axes);
    const kept = expressed(mean.shape, pending(mean));
    if (integer(node, "keepdims", 1) === 1) return [kept];
    return [
      at.reshape(
        kept,
        value.shape.filter((_, i) => !axes.includes(i)),
      ),
    ];
  },

  /** Over rows that lie without gaps: another axis than the last is brought there. */
  Softmax(at, node) {
    const value = at.value(node, 0);
    const axis = axisOf(node, integer(node, "axis", -1), value.shape.length);
    const order = [...value.shape.keys()].filter((other) => other !== axis).concat(axis);
    const turned = at.transpose(value, order);
    const view = at.dense(turned);
    const length = value.shape[axis] as number;
    const target = workView(turned.shape);
    at.kernels.softmax(view, target, product(value.shape) / length, length);
    const back = order.map((_, i) => order.indexOf(i));
    return [at.transpose(expressed(turned.shape, load(target)), back)];
  },

  Resize: (at, node) => [resize(at, node)],
  GridSample: (at, node) => [gridSample(at, node)],

  MatMul(at, node) {
    const how = { label: "matmul", precision: at.precisionOf(node) };
    return [matmul(at, at.value(node, 0), at.value(node, 1), how)];
  },

  Gemm(at, node) {
    const turned = (index: number, name: string) => {
      const value = at.value(node, index);
      if (value.shape.length !== 2) throw unsupported(node, "matrices");
      return integer(node, name, 0) === 1 ? at.transpose(value, [1, 0]) : value;
    };
    if (integer(node, "alpha", 1) !== 1 || integer(node, "beta", 1) !== 1)
      throw unsupported(node, "alpha and beta of 1");
    const how = { label: "gemm", precision: at.precisionOf(node) };
    const result = matmul(at, turned(0, "transA"), turned(1, "transB"), how);
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
  const target = workView(shape);
  at.kernels.lookup(at.dense(table), at.dense(index), target, { rows, width, count: product(index.shape) });
  return expressed(shape, load(target));
}
