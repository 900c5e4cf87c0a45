/** What a node's attributes say, checked. */
import { UnsupportedGraphError } from "../errors";
import type { Node } from "./onnx";

export const unsupported = (node: Node, what: string) =>
  new UnsupportedGraphError(`${node.operator}: expected ${what}`);

export function integer(node: Node, name: string, fallback: number): number {
  const value = node.attributes.get(name) ?? fallback;
  if (typeof value !== "number") throw unsupported(node, `a number for ${name}`);
  return value;
}
export function integers(node: Node, name: string, fallback: readonly number[]): readonly number[] {
  const value = node.attributes.get(name) ?? fallback;
  if (!Array.isArray(value)) throw unsupported(node, `a list for ${name}`);
  return value;
}
export function text(node: Node, name: string, fallback: string): string {
  const value = node.attributes.get(name) ?? fallback;
  if (typeof value !== "string") throw unsupported(node, `text for ${name}`);
  return value;
}

/** An axis counted from the front. */
export function axisOf(node: Node, axis: number, rank: number): number {
  const found = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(found) || found < 0 || found >= rank)
    throw unsupported(node, `an axis below ${rank}, got ${axis}`);
  return found;
}
