/**
 * The graph before it is lowered: nodes that are one operator written as two become one. Only what can't be seen in an
 * expression is joined here: SiLU, whose two nodes both read their input. And which products are the last ones.
 */
import type { Graph, Node } from "./onnx";

/** x · Sigmoid(x) becomes Silu(x) where nothing else reads the Sigmoid. */
export function joinNodes(graph: Graph): Graph {
  const uses = new Map<string, number>();
  for (const name of graph.nodes.flatMap((node) => node.inputs)) uses.set(name, (uses.get(name) ?? 0) + 1);
  for (const { name } of graph.outputs) uses.set(name, (uses.get(name) ?? 0) + 1);
  const sigmoids = new Map<string, string>(); // output → input
  for (const { operator, inputs, outputs } of graph.nodes) {
    const [input, output] = [inputs[0], outputs[0]];
    if (operator === "Sigmoid" && input && output && uses.get(output) === 1) sigmoids.set(output, input);
  }
  const joined = new Set<string>();
  const nodes = graph.nodes.map((node): Node => {
    if (node.operator !== "Mul" || node.inputs.length !== 2) return node;
    const [a, b] = node.inputs as [string, string];
    const gate = sigmoids.get(b) === a ? b : sigmoids.get(a) === b ? a : null;
    if (gate === null) return node;
    joined.add(gate);
    return { ...node, operator: "Silu", inputs: [sigmoids.get(gate) as string] };
  });
  return { ...graph, nodes: nodes.filter((node) => !joined.has(node.outputs[0] ?? "")) };
}

const PRODUCTS = new Set(["MatMul", "Gemm", "Conv"]);

/** The products that no other product reads from, however far behind. */
export function lastProducts({ nodes }: Graph): ReadonlySet<Node> {
  const last = new Set<Node>();
  const read = new Set<string>(); // values that a product comes from
  for (const node of nodes.toReversed()) {
    const isProduct = PRODUCTS.has(node.operator);
    const isRead = node.outputs.some((name) => read.has(name));
    if (isProduct && !isRead) last.add(node);
    if (isProduct || isRead) for (const name of node.inputs) read.add(name);
  }
  return last;
}
