/**
 * Reads an ONNX file: the nodes in their order, the constants as numbers, inputs and outputs with their shapes. Every
 * length is checked before it is used. What the operators mean: `operators.ts`.
 *
 * Numbers are float32 or whole numbers of 32 bits from here on: float16 is widened, int64 is clamped (the largest int64
 * stands for "to the end" in slices; no shape here needs more).
 */
import { UnsafeGraphError, UnsupportedGraphError } from "../errors";

const MAX_WEIGHTS = 1 << 27; // elements of all constants of a file
const MAX_ELEMENTS = 1 << 22; // of one tensor: a picture of 512 × 512 in 16 channels

export type TensorKind = "float32" | "int32" | "uint8";

export interface Constant {
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer>;
}

export type Attribute = number | string | readonly number[] | Constant;

export interface Node {
  readonly operator: string;
  readonly inputs: readonly string[]; // "" where an optional one is left out
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, Attribute>;
}

export interface Tensor {
  readonly name: string;
  readonly kind: TensorKind;
  readonly shape: readonly number[];
}

export interface Graph {
  readonly nodes: readonly Node[];
  readonly constants: ReadonlyMap<string, Constant>;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** Numbers of elem_type and data_type in onnx.proto. */
const FLOAT = 1;
const UINT8 = 2;
const INT8 = 3;
const INT32 = 6;
const INT64 = 7;
const BOOL = 9;
const FLOAT16 = 10;
const KINDS: Record<number, TensorKind> = { [FLOAT]: "float32", [UINT8]: "uint8", [INT32]: "int32" };
const BYTES: Record<number, number> = {
  [FLOAT]: 4,
  [UINT8]: 1,
  [INT8]: 1,
  [INT32]: 4,
  [INT64]: 8,
  [BOOL]: 1,
  [FLOAT16]: 2,
};

interface Field {
  readonly number: number;
  /** Of a varint, a fixed32 as its bits; 0 of bytes. */
  readonly value: number;
  readonly bytes: Uint8Array | null;
}

const malformed = (what: string) =>
  new UnsafeGraphError(`expected an ONNX graph, got ${what}. Export the world again.`);

/** One message of the protobuf wire format. */
function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  const cursor = { at: 0 };
  while (cursor.at < bytes.length) {
    const tag = varint(bytes, cursor);
    const [number, wire] = [Math.floor(tag / 8), tag % 8];
    if (wire === 0) {
      yield { number, value: varint(bytes, cursor), bytes: null };
      continue;
    }
    const length = wire === 2 ? varint(bytes, cursor) : wire === 5 ? 4 : wire === 1 ? 8 : -1;
    if (length < 0 || cursor.at + length > bytes.length) throw malformed("a field that ends after its message");
    const contents = bytes.subarray(cursor.at, cursor.at + length);
    cursor.at += length;
    yield { number, value: wire === 5 ? viewOf(contents).getInt32(0, true) : 0, bytes: contents };
  }
}

/** An int64 as the nearest double. */
function varint(bytes: Uint8Array, cursor: { at: number }): number {
  let low = 0;
  let high = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = bytes[cursor.at++];
    if (byte === undefined) throw malformed("a number that ends after its message");
    const bits = byte & 0x7f;
    if (shift < 28) low += bits * 2 ** shift;
    else high += bits * 2 ** (shift - 28);
    if (byte < 0x80) return high >= 2 ** 35 ? low + (high - 2 ** 36) * 2 ** 28 : low + high * 2 ** 28;
  }
  throw malformed("a number of more than ten bytes");
}

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const textOf = (field: Field) => new TextDecoder().decode(field.bytes ?? new Uint8Array());

function message(field: Field): Uint8Array {
  if (!field.bytes) throw malformed("a number where a message belongs");
  return field.bytes;
}

/** A repeated number: packed, or one a field. */
function numbersOf(field: Field): number[] {
  if (!field.bytes) return [field.value];
  const cursor = { at: 0 };
  const out: number[] = [];
  while (cursor.at < field.bytes.length) out.push(varint(field.bytes, cursor));
  return out;
}

const clampInt = (value: number) => Math.max(-0x80000000, Math.min(0x7fffffff, value));

/** @throws UnsafeGraphError when it isn't ONNX; UnsupportedGraphError when it holds what this engine has no word for */
export function readOnnx(file: Uint8Array): Graph {
  const bytes = new Uint8Array(file.buffer, file.byteOffset, file.byteLength); // Node's Buffer slices otherwise
  let graph: Uint8Array | null = null;
  for (const field of fieldsOf(bytes)) if (field.number === 7) graph = message(field);
  if (!graph) throw malformed("no graph");
  const nodes: Node[] = [];
  const constants = new Map<string, Constant>();
  const inputs: Tensor[] = [];
  const outputs: Tensor[] = [];
  let elements = 0;
  for (const field of fieldsOf(graph)) {
    if (field.number === 1) nodes.push(readNode(message(field)));
    else if (field.number === 5) {
      const { name, constant } = readTensor(message(field));
      constants.set(name, constant);
      elements += constant.data.length;
      if (elements > MAX_WEIGHTS) throw new UnsupportedGraphError(`expected at most ${MAX_WEIGHTS} weights, got more`);
    } else if (field.number === 11) inputs.push(readValue(message(field)));
    else if (field.number === 12) outputs.push(readValue(message(field)));
    else if (field.number === 15) throw new UnsupportedGraphError("expected dense weights, got sparse ones");
  }
  return { nodes, constants, inputs: inputs.filter(({ name }) => !constants.has(name)), outputs };
}

function readNode(bytes: Uint8Array): Node {
  const node = { operator: "", inputs: [] as string[], outputs: [] as string[] };
  const attributes = new Map<string, Attribute>();
  let domain = "";
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) node.inputs.push(textOf(field));
    else if (field.number === 2) node.outputs.push(textOf(field));
    else if (field.number === 4) node.operator = textOf(field);
    else if (field.number === 5) readAttribute(message(field), attributes);
    else if (field.number === 7) domain = textOf(field);
  }
  if (domain !== "" && domain !== "ai.onnx") {
    throw new UnsupportedGraphError(`expected operators of ai.onnx, got ${node.operator} of ${JSON.stringify(domain)}`);
  }
  return { ...node, attributes };
}

function readAttribute(bytes: Uint8Array, attributes: Map<string, Attribute>): void {
  let name = "";
  let value: Attribute | null = null;
  const list: number[] = [];
  const float = (field: Field) => new Float32Array(new Int32Array([field.value]).buffer)[0] as number;
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) name = textOf(field);
    else if (field.number === 2) value = float(field);
    else if (field.number === 3) value = clampInt(field.value);
    else if (field.number === 4) value = textOf(field);
    else if (field.number === 5) value = readTensor(message(field)).constant;
    else if (field.number === 8) list.push(...numbersOf(field).map(clampInt));
    else if (field.number !== 20 && field.number !== 13) {
      throw new UnsupportedGraphError(`attribute ${name}: expected a number, text, a list or a tensor`);
    }
  }
  attributes.set(name, value ?? list);
}

function readValue(bytes: Uint8Array): Tensor {
  let name = "";
  let type = 0;
  const shape: number[] = [];
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) name = textOf(field);
    if (field.number !== 2) continue;
    for (const described of fieldsOf(message(field))) {
      if (described.number !== 1) continue;
      for (const part of fieldsOf(message(described))) {
        if (part.number === 1) type = part.value;
        if (part.number !== 2) continue;
        for (const dimension of fieldsOf(message(part))) {
          const size = [...fieldsOf(message(dimension))].find(({ number }) => number === 1)?.value ?? Number.NaN;
          shape.push(size);
        }
      }
    }
  }
  const kind = KINDS[type];
  if (!kind) throw new UnsupportedGraphError(`${name}: expected float32, int32 or uint8, got ONNX type ${type}`);
  elementsOf(shape, name);
  return { name, kind, shape };
}

/** How many elements a tensor of this shape has. @throws UnsupportedGraphError when it is no fixed, sensible size */
export function elementsOf(shape: readonly number[], name = "a tensor"): number {
  let count = 1;
  for (const size of shape) {
    count *= size;
    if (!Number.isInteger(size) || size < 1 || count > MAX_ELEMENTS) {
      throw new UnsupportedGraphError(`${name}: expected fixed sizes of 1 or more, got [${shape.join(", ")}]`);
    }
  }
  return count;
}

function readTensor(bytes: Uint8Array): { readonly name: string; readonly constant: Constant } {
  let name = "";
  let type = 0;
  let raw: Uint8Array | null = null;
  const shape: number[] = [];
  const floats: number[] = [];
  const whole: number[] = [];
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) shape.push(...numbersOf(field));
    else if (field.number === 2) type = field.value;
    else if (field.number === 4) for (const value of floatsOf(message(field))) floats.push(value);
    else if (field.number === 5 || field.number === 7) for (const value of numbersOf(field)) whole.push(value);
    else if (field.number === 8) name = textOf(field);
    else if (field.number === 9) raw = message(field);
    else if (field.number === 13 || (field.number === 14 && field.value !== 0)) {
      throw malformed(`weights of ${name} outside the file`);
    }
  }
  const size = BYTES[type];
  if (!size) throw new UnsupportedGraphError(`${name}: expected numbers, got ONNX type ${type}`);
  const count = shape.reduce((size, side) => size * side, 1);
  const found = raw ? raw.length / size : type === FLOAT ? floats.length : whole.length;
  if (found !== count) throw malformed(`${found} numbers for ${name} of shape [${shape.join(", ")}]`);
  const data = raw ? decode(raw, type) : type === FLOAT ? Float32Array.from(floats) : Int32Array.from(whole, clampInt);
  if (!raw && type === FLOAT16) throw new UnsupportedGraphError(`${name}: expected float16 as raw data`);
  return { name, constant: { shape, data } };
}

const floatsOf = (bytes: Uint8Array) => decode(bytes.subarray(0, bytes.length & ~3), FLOAT);

/** Little-endian numbers of an ONNX type. */
function decode(raw: Uint8Array, type: number): Float32Array<ArrayBuffer> | Int32Array<ArrayBuffer> {
  const view = viewOf(raw);
  if (type === FLOAT) return new Float32Array(raw.slice().buffer);
  if (type === INT32) return new Int32Array(raw.slice().buffer);
  if (type === FLOAT16) {
    const table = float16Table();
    const halves = new Uint16Array(raw.slice().buffer);
    const out = new Float32Array(halves.length);
    for (let i = 0; i < halves.length; i++) out[i] = table[halves[i] as number] as number;
    return out;
  }
  if (type === INT64) {
    return Int32Array.from({ length: raw.length / 8 }, (_, i) => clampInt(Number(view.getBigInt64(8 * i, true))));
  }
  return Int32Array.from(raw, (value) => (type === INT8 ? (value << 24) >> 24 : value));
}

let table: Float32Array | null = null;

/** float16 bits → value. */
function float16Table(): Float32Array {
  table ??= Float32Array.from({ length: 1 << 16 }, (_, bits) => {
    const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
  return table;
}
