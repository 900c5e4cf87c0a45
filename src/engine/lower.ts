/**
 * Turns a graph into a program, node by node in the graph's order. A value stays an expression as long as it can: it is
 * stored when two nodes need it, when it goes out, or when a kernel needs it in memory. So element-wise operators move into
 * the kernels around them and operators that only move elements vanish into strides, whatever a network calls its parts.
 * What each operator means is in `operators.ts`.
 */
import { UnsupportedGraphError } from "../errors";
import {
  type Buffer,
  constantView,
  type Expression,
  leavesOf,
  load,
  loadsOf,
  mapLayouts,
  mapLeaves,
  number,
  pending,
  pendingOf,
  reshapeExpression,
  sliceExpression,
  type View,
  workView,
} from "./expression";
import { lastProducts } from "./graph";
import type { KernelSet } from "./kernel-set";
import { broadcast, dense, type Layout, product, shapeOf } from "./layout";
import { OPERATORS, type Operator } from "./math";
import { type Constant, elementsOf, type Graph, type Node } from "./onnx";
import { OPERATIONS } from "./operators";
import type { Precision } from "./program";
import { broken, commonShape, expressed, fold, isCheap, LONGEST, packed, same, type Value, weight } from "./value";

/** Where the graph's inputs and outputs lie; the kernels have their program. */
export interface Lowered {
  readonly inputs: ReadonlyMap<string, Buffer>;
  readonly outputs: ReadonlyMap<string, Buffer>;
}

export class Lowering {
  readonly kernels: KernelSet;
  private readonly values = new Map<string, Value>();
  private readonly constants = new Map<string, Constant>();
  private readonly precision: Precision;
  private last: ReadonlySet<Node> = new Set();

  constructor(kernels: KernelSet, precision: Precision) {
    this.kernels = kernels;
    this.precision = precision;
  }

  /** @throws UnsafeGraphError when a value is used before it is made, UnsupportedGraphError */
  lower(graph: Graph): Lowered {
    const uses = new Map<string, number>();
    for (const name of [...graph.nodes.flatMap((node) => node.inputs), ...graph.outputs.map((output) => output.name)]) {
      uses.set(name, (uses.get(name) ?? 0) + 1);
    }
    const kept = (kind: Buffer["kind"], size: number): Buffer => ({ kind, size, place: "kept" });
    const inputs = new Map<string, Buffer>();
    const outputs = new Map<string, Buffer>();
    for (const { name, kind, shape } of graph.inputs) {
      const buffer = kept(kind, elementsOf(shape, name));
      inputs.set(name, buffer);
      this.values.set(name, expressed(shape, load({ buffer, layout: dense(shape), offset: 0 })));
    }
    for (const { name, kind, shape } of graph.outputs) outputs.set(name, kept(kind, elementsOf(shape, name)));
    for (const [name, constant] of graph.constants) this.define(name, constant);

    this.last = lastProducts(graph);
    for (const node of graph.nodes) {
      const operation = Object.hasOwn(OPERATIONS, node.operator) ? OPERATIONS[node.operator] : undefined;
      if (!operation) {
        const known = Object.keys(OPERATIONS).join(", ");
        throw new UnsupportedGraphError(`expected operators among ${known}, got ${JSON.stringify(node.operator)}`);
      }
      const results = operation(this, node);
      for (const [i, name] of node.outputs.entries()) {
        const value = results[i];
        if (!name) continue;
        if (!value || this.values.has(name)) throw broken(`${node.operator} gives ${JSON.stringify(name)}`);
        elementsOf(value.shape, name);
        const output = graph.outputs.find((tensor) => tensor.name === name);
        this.values.set(name, output ? this.give(value, output.shape, outputs.get(name) as Buffer) : value);
        if (!output && (uses.get(name) ?? 0) > 1) this.values.set(name, this.settled(value));
      }
    }
    for (const { name, shape } of graph.outputs) {
      const value = this.values.get(name);
      if (!value) throw broken(`no node gives ${JSON.stringify(name)}`);
      if (!graph.nodes.some((node) => node.outputs.includes(name))) {
        this.give(value, shape, outputs.get(name) as Buffer);
      }
    }
    return { inputs, outputs };
  }

  /** A constant: numbers for kernels, and for the operators that need to know it. */
  define(name: string, constant: Constant): void {
    this.constants.set(name, constant);
    const { shape, data } = constant;
    if (data.length === 1) this.values.set(name, expressed(shape, number(data[0] as number)));
    else if (data.length > 0) {
      this.values.set(name, expressed(shape, load(constantView(shape, data))));
    }
  }

  /** An input of a node. */
  value(node: Node, index: number): Value {
    const name = node.inputs[index];
    const value = name === undefined ? undefined : this.values.get(name);
    if (!value) throw broken(`${node.operator} needs ${JSON.stringify(name)} before it is there`);
    return value;
  }

  has(node: Node, index: number): boolean {
    return Boolean(node.inputs[index]);
  }

  /** The numbers of an input that has to be constant. */
  numbers(node: Node, index: number): number[] {
    const constant = this.constants.get(node.inputs[index] ?? "");
    if (!constant) throw new UnsupportedGraphError(`${node.operator}: expected input ${index} to be constant`);
    return [...constant.data];
  }

  /** How a node multiplies. What the last ones give is painted, or says where pixels move: a step of it would be seen. */
  precisionOf(node: Node): Precision {
    return this.last.has(node) ? "float32" : this.precision;
  }

  constant(name: string | undefined): Constant | undefined {
    return this.constants.get(name ?? "");
  }

  /** Element by element, with numpy's broadcasting. */
  apply(operator: Operator, ...args: readonly Value[]): Value {
    const shape = commonShape(args.map((arg) => arg.shape));
    const joined = args.find((arg) => arg.kind === "joined");
    if (joined && args.every((arg) => arg === joined || product(arg.shape) === 1) && same(joined.shape, shape)) {
      const parts = joined.parts.map((part) =>
        this.apply(operator, ...args.map((arg) => (arg === joined ? part : arg))),
      );
      return { ...joined, parts };
    }
    const expressions = args.map((arg) => this.broadcasted(arg, shape));
    const kernels = new Set(expressions.flatMap((expression) => pendingOf(expression).map(({ result }) => result)));
    const settled =
      kernels.size > 1
        ? expressions.map((expression, i) => {
            const first = i < expressions.findLastIndex((other) => pendingOf(other).length > 0);
            return first && pendingOf(expression).length ? this.stored(expressed(shape, expression)) : expression;
          })
        : expressions;
    const constant = settled.every((arg) => arg.kind === "number");
    if (constant) {
      const numbers = settled.map((arg) => (arg.kind === "number" ? arg.value : 0));
      return expressed(shape, number(Math.fround(OPERATORS[operator].compute(...numbers))));
    }
    const short = settled.map((arg) => (weight(arg) < LONGEST ? arg : this.stored(expressed(shape, arg))));
    return expressed(shape, { kind: "apply", operator, args: short });
  }

  private broadcasted(value: Value, shape: readonly number[]): Expression {
    const expression = this.expression(value);
    if (expression.kind === "number") return expression;
    const repeated = product(value.shape) < product(shape);
    const costly = expression.kind === "apply" && (pendingOf(expression).length > 0 || !isCheap(expression));
    const source = repeated && (costly || expression.kind === "result") ? this.stored(value) : expression;
    return mapLayouts(source, (layout) => broadcast(layout, shape)) as Expression;
  }

  /** As one expression; what is joined is stored. */
  expression(value: Value): Expression {
    return value.kind === "expression" ? value.expression : this.stored(value);
  }

  /** The same elements under another shape. */
  reshape(value: Value, shape: readonly number[]): Value {
    if (product(shape) !== product(value.shape)) {
      throw broken(`a reshape of [${value.shape.join(", ")}] to [${shape.join(", ")}]`);
    }
    if (value.kind === "joined") {
      const before = product(value.shape.slice(0, value.axis));
      const along = value.shape[value.axis] as number;
      const axis = shape.findIndex((size, i) => size === along && product(shape.slice(0, i)) === before);
      if (axis >= 0 && along > 1) {
        const parts = value.parts.map((part) => this.reshape(part, shape.with(axis, part.shape[value.axis] as number)));
        return { kind: "joined", shape, axis, parts };
      }
    }
    const expression = reshapeExpression(this.expression(value), shape);
    if (expression) return expressed(shape, expression);
    const view = this.dense(value);
    return expressed(shape, load({ ...view, layout: dense(shape) }));
  }

  transpose(value: Value, order: readonly number[]): Value {
    const shape = order.map((axis) => value.shape[axis] as number);
    if (value.kind === "joined") {
      const parts = value.parts.map((part) => this.transpose(part, order));
      return { kind: "joined", shape, axis: order.indexOf(value.axis), parts };
    }
    const turn = (layout: Layout): Layout => order.map((axis) => layout[axis] ?? []);
    return expressed(shape, mapLayouts(value.expression, turn) as Expression);
  }

  /** `count` elements of an axis. */
  slice(value: Value, axis: number, start: number, count: number): Value {
    if (start < 0 || count < 1 || start + count > (value.shape[axis] as number)) {
      throw broken(`elements ${start} to ${start + count} of [${value.shape.join(", ")}]`);
    }
    const shape = value.shape.with(axis, count);
    if (count === value.shape[axis]) return value;
    const cut = sliceExpression(this.expression(value), axis, start, count);
    if (cut) return expressed(shape, cut);
    const view = this.dense(value);
    return expressed(shape, sliceExpression(load(view), axis, start, count) as Expression);
  }

  /** Makes a value cheap to use twice: in memory, unless it is nothing but views. */
  private settled(value: Value): Value {
    if (value.kind === "joined") return { ...value, parts: value.parts.map((part) => this.settled(part)) };
    if (value.expression.kind !== "apply" && value.expression.kind !== "result") return value;
    return expressed(value.shape, this.stored(value));
  }

  /** In memory, in the order that its kernel or its largest operand suggests. */
  stored(value: Value): Expression & { kind: "load" } {
    if (value.kind === "expression" && value.expression.kind === "load") return value.expression;
    return load(this.store(value, { ...workView(value.shape), layout: this.naturalLayout(value) }));
  }

  /** In memory, row by row, in float32. */
  dense(value: Value): View {
    const layout = dense(value.shape);
    if (value.kind === "expression" && value.expression.kind === "load") {
      const { buffer, layout: found, offset } = value.expression;
      if (buffer.kind === "float32" && JSON.stringify(found) === JSON.stringify(layout))
        return { buffer, layout, offset };
    }
    return this.store(value, workView(value.shape));
  }

  private naturalLayout(value: Value): Layout {
    if (value.kind === "joined") return dense(value.shape);
    const leaves = [...leavesOf(value.expression)].filter(({ layout }) => same(shapeOf(layout), value.shape));
    const guide =
      leaves.find((leaf) => leaf.kind === "result") ??
      leaves.find(({ layout }) => layout.every((axis) => axis.every(({ stride }) => stride > 0)));
    return guide ? packed(guide.layout) : dense(value.shape);
  }

  /** Adds what it takes to have a value at a place. */
  store(value: Value, target: View): View {
    if (value.kind === "joined") {
      let start = 0;
      for (const part of value.parts) {
        const count = part.shape[value.axis] as number;
        const place = sliceExpression(load(target), value.axis, start, count);
        if (place?.kind !== "load") throw new UnsupportedGraphError("Concat: expected parts that fit their target");
        this.store(part, place);
        start += count;
      }
      return target;
    }
    let { expression } = value;
    const [kernel] = pendingOf(expression);
    if (kernel) {
      if (kernel.result.finish(expression, target)) return target;
      const plain = workView(kernel.result.shape);
      if (!kernel.result.finish(pending(kernel.result), plain)) {
        throw new UnsupportedGraphError("expected a kernel that can store its result row by row");
      }
      expression = mapLeaves(expression, (leaf) =>
        leaf.kind === "result" ? load({ ...plain, layout: leaf.layout }) : leaf,
      ) as Expression;
    }
    const label = expression.kind === "apply" ? expression.operator : "copy";
    if (this.kernels.elementwise(expression, target, label)) return target;
    const copies = mapLeaves(expression, (leaf) => {
      if (leaf.kind === "result" || leaf.layout.every((axis) => axis.length < 2)) return leaf;
      return load(this.copyOf(leaf));
    }) as Expression;
    if (this.kernels.elementwise(copies, target, label)) return target;
    const between = workView(value.shape);
    if (!this.kernels.elementwise(copies, between, label) || !this.kernels.elementwise(load(between), target, "copy")) {
      throw new UnsupportedGraphError("expected axes that have common loops, got others");
    }
    return target;
  }

  private copyOf(view: View): View {
    const copy = workView(shapeOf(view.layout));
    this.kernels.elementwise(load(view), copy, "copy");
    return copy;
  }

  /** Stores an output of the graph. */
  private give(value: Value, shape: readonly number[], buffer: Buffer): Value {
    if (!same(value.shape, shape)) {
      throw broken(`an output of shape [${value.shape.join(", ")}] that is declared as [${shape.join(", ")}]`);
    }
    const view = this.store(value, { buffer, layout: dense(shape), offset: 0 });
    return expressed(shape, load(view));
  }

  /** Numbers known now, in float32 and row by row; null when they depend on the graph's inputs. */
  known(value: Value): View | null {
    if (value.kind === "joined") return null;
    const { expression } = value;
    if (expression.kind === "load") return expression.buffer.data instanceof Float32Array ? expression : null;
    if (pendingOf(expression).length || loadsOf(expression).some(({ buffer }) => !buffer.data)) return null;
    return fold(expression, value.shape);
  }
}
