/** Which way round a matrix product is done, and in what order its factors lie for it. */
import { UnsupportedGraphError } from "../errors";
import { pending, type View, workView } from "./expression";
import type { Factors } from "./kernels/product";
import { type Layout, product } from "./layout";
import type { Lowering } from "./lower";
import { expressed, type Value } from "./value";

type How = Pick<Factors, "label" | "precision">;

/** [..., rows, k] × [..., k, columns]; leading axes are broadcast. */
export function matmul(at: Lowering, left: Value, right: Value, how: How): Value {
  const [a, b] = [left.shape, right.shape];
  const [rows, depth, columns] = [a.at(-2) ?? 1, a.at(-1) as number, b.at(-1) as number];
  if (a.length < 1 || b.length < 2 || b.at(-2) !== depth) {
    throw new UnsupportedGraphError(`MatMul: expected matrices that fit, got [${a.join(", ")}] and [${b.join(", ")}]`);
  }
  if (product(b.slice(0, -2)) === 1) {
    const flat = at.reshape(left, [1, product(a) / depth, depth]);
    const result = multiply(at, flat, at.reshape(right, [1, depth, columns]), how);
    return at.reshape(result, [...a.slice(0, -1), columns]);
  }
  const lead = a.slice(0, -2);
  if (lead.join() !== b.slice(0, -2).join()) {
    throw new UnsupportedGraphError(
      `MatMul: expected the same leading axes, got [${a.join(", ")}] and [${b.join(", ")}]`,
    );
  }
  const batch = product(lead);
  const result = multiply(at, at.reshape(left, [batch, rows, depth]), at.reshape(right, [batch, depth, columns]), how);
  return at.reshape(result, [...lead, rows, columns]);
}

/** [batch, rows, k] × [batch, k, columns]: by packed weights, by rows as they lie, or the other way round. */
function multiply(at: Lowering, left: Value, right: Value, how: How): Value {
  const [batch, rows, depth] = left.shape as [number, number, number];
  const columns = right.shape[2] as number;
  const shape = [batch, rows, columns];
  const weights = at.known(right);
  if (weights) {
    const result =
      at.kernels.product({ left: viewsOf(at, left, 1), right: [weights], ...how }) ??
      at.kernels.product({ left: [at.dense(left)], right: [weights], ...how });
    if (result) return expressed(shape, pending(result));
  }
  if (right.kind !== "joined" || right.axis === 1) {
    const pieces = viewsOf(at, right, 1);
    const result = pieces.every((piece) => isRowByRow(piece.layout[2] ?? []))
      ? at.kernels.product({ left: [viewOf(at, left)], right: pieces, ...how })
      : null;
    if (result) return expressed(shape, pending(result));
  }
  const turned = at.transpose(right, [0, 2, 1]);
  const turnedRows = viewsOf(at, turned, 1);
  if (turnedRows.every((piece) => isRowByRow(piece.layout[2] ?? []))) {
    const columnsFirst = workView([batch, depth, rows]);
    const [batches = [], depths = [], lines = []] = columnsFirst.layout;
    at.store(left, { ...columnsFirst, layout: [batches, lines, depths] });
    const result = at.kernels.product({ left: turnedRows, right: [columnsFirst], ...how });
    if (result) return at.transpose(expressed([batch, columns, rows], pending(result)), [0, 2, 1]);
  }
  const result = at.kernels.product({ left: [at.dense(left)], right: [at.dense(right)], ...how });
  if (!result) throw new UnsupportedGraphError("MatMul: expected factors with common axes, got others");
  return expressed(shape, pending(result));
}

const isRowByRow = (axis: Layout[number]) => axis.length === 0 || (axis.length === 1 && axis[0]?.stride === 1);

/** In memory as float32, in whatever order. */
export function viewOf(at: Lowering, value: Value): View {
  const view = at.stored(value);
  return view.buffer.kind === "float32" ? view : at.dense(value);
}

/** The parts of what is joined along an axis, or one view. */
const viewsOf = (at: Lowering, value: Value, axis: number): View[] =>
  value.kind === "joined" && value.axis === axis ? value.parts.map((part) => viewOf(at, part)) : [viewOf(at, value)];
