/**
 * Reads just enough of an ONNX file to know that it is data: all weights inside, all operators of known domains, no graphs
 * inside the graph (a loop might never end) and no functions (they may multiply each other). A walk over the protobuf wire
 * format; what the file computes is left to onnxruntime.
 */
import { UnsafeGraphError } from "../errors";

/** "" and "ai.onnx" are the same domain; "com.microsoft" holds onnxruntime's own operators. */
const DOMAINS = ["", "ai.onnx", "com.microsoft"];

/** A tick of ours has 650. */
const MAX_NODES = 20_000;

type Message = "model" | "graph" | "node" | "attribute" | "tensor" | "sparse" | "opset";
type Field = Message | "domain" | "location" | "external" | "control";

/** Field numbers of onnx.proto that lead to a domain, a tensor or control flow; all others are skipped. */
const FIELDS: Record<Message, Record<number, Field>> = {
  model: { 7: "graph", 8: "opset", 20: "control", 25: "control" }, // training graphs, functions
  graph: { 1: "node", 5: "tensor", 15: "sparse" },
  node: { 5: "attribute", 7: "domain" },
  attribute: { 5: "tensor", 6: "control", 10: "tensor", 11: "control", 22: "sparse", 23: "sparse" },
  sparse: { 1: "tensor", 2: "tensor" },
  tensor: { 13: "external", 14: "location" },
  opset: { 1: "domain" },
};

/** @throws UnsafeGraphError when it isn't ONNX, keeps weights in other files, has control flow, or uses an unknown domain of operators */
export function checkOnnx(file: string, bytes: Uint8Array): void {
  const malformed = () =>
    new UnsafeGraphError(`${file}: expected an ONNX model, got malformed bytes. Export it again.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let graphs = 0;
  let nodes = 0;

  function walk(message: Message, from: number, end: number): void {
    let at = from;
    const varint = (): number => {
      let value = 0;
      for (let shift = 0; shift < 70; shift += 7) {
        if (at >= end) throw malformed();
        const byte = view.getUint8(at++);
        value += (byte & 0x7f) * 2 ** shift;
        if (byte < 0x80) return value;
      }
      throw malformed();
    };
    while (at < end) {
      const tag = varint();
      const field = FIELDS[message][Math.floor(tag / 8)];
      const wire = tag % 8;
      if (wire === 0) {
        const value = varint();
        if (field === "location" && value !== 0) throw external(file);
        continue;
      }
      const length = wire === 2 ? varint() : wire === 1 ? 8 : wire === 5 ? 4 : Number.NaN;
      if (!(at + length <= end)) throw malformed();
      if (field !== undefined) {
        if (wire !== 2) throw malformed();
        if (field === "external") throw external(file);
        else if (field === "control") throw control(file);
        else if (field === "domain") checkDomain(file, new TextDecoder().decode(bytes.subarray(at, at + length)));
        else if (field === "location") throw malformed();
        else walk(field, at, at + length);
        if (field === "node" && ++nodes > MAX_NODES) throw tooMany(file);
        if (message === "model" && field === "graph") graphs += 1;
      }
      at += length;
    }
  }

  walk("model", 0, bytes.length);
  if (graphs !== 1) throw malformed();
}

function tooMany(file: string): UnsafeGraphError {
  return new UnsafeGraphError(`${file}: expected at most ${MAX_NODES} operators, got more. Export a smaller network.`);
}

function external(file: string): UnsafeGraphError {
  return new UnsafeGraphError(
    `${file}: expected all weights inside the file, got external data. Export it with the weights embedded.`,
  );
}

function control(file: string): UnsafeGraphError {
  return new UnsafeGraphError(
    `${file}: expected one graph without control flow, got a loop, a branch or a function. Export it unrolled and inlined.`,
  );
}

function checkDomain(file: string, domain: string): void {
  if (DOMAINS.includes(domain)) return;
  throw new UnsafeGraphError(
    `${file}: expected operators of ${DOMAINS.slice(1).join(" or ")}, got the domain ${JSON.stringify(domain)}.`,
  );
}
