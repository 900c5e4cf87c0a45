/** Writes small ONNX files, for tests: the parts of onnx.proto that `onnx.ts` reads. */
import type { Attribute, Constant } from "./onnx";

export interface FixtureNode {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes?: Readonly<Record<string, Attribute>>;
}

export interface FixtureTensor {
  readonly kind: "float32" | "int32" | "uint8";
  readonly shape: readonly number[];
}

export interface FixtureGraph {
  readonly nodes: readonly FixtureNode[];
  readonly inputs: Readonly<Record<string, FixtureTensor>>;
  readonly outputs: Readonly<Record<string, FixtureTensor>>;
  /** Int32Array is written as int64: shapes, axes and indices are. */
  readonly constants?: Readonly<Record<string, Constant>>;
}

const TYPES = { float32: 1, uint8: 2, int32: 6, int64: 7 } as const;

function varint(value: number): number[] {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return [...bytes, Number(rest)];
}
const number = (field: number, value: number) => [...varint(field * 8), ...varint(value)];
const bytes = (field: number, value: Iterable<number>) => {
  const contents = [...value];
  return [...varint(field * 8 + 2), ...varint(contents.length), ...contents];
};
const text = (field: number, value: string) => bytes(field, new TextEncoder().encode(value));

function tensor(name: string, { shape, data }: Constant): number[] {
  const float = data instanceof Float32Array;
  const wide = float ? data : BigInt64Array.from(data, BigInt);
  return [
    ...shape.flatMap((size) => number(1, size)),
    ...number(2, float ? TYPES.float32 : TYPES.int64),
    ...text(8, name),
    ...bytes(9, new Uint8Array(wide.buffer)),
  ];
}

function attribute(name: string, value: Attribute): number[] {
  if (typeof value === "number") return [...text(1, name), ...number(3, value), ...number(20, 2)];
  if (typeof value === "string") return [...text(1, name), ...text(4, value), ...number(20, 3)];
  if (Array.isArray(value)) return [...text(1, name), ...value.flatMap((item) => number(8, item)), ...number(20, 7)];
  return [...text(1, name), ...bytes(5, tensor("", value as Constant)), ...number(20, 4)];
}

const valueInfo = (name: string, { kind, shape }: FixtureTensor): number[] => {
  const dimensions = shape.flatMap((size) => bytes(1, number(1, size)));
  return [...text(1, name), ...bytes(2, bytes(1, [...number(1, TYPES[kind]), ...bytes(2, dimensions)]))];
};

export function writeOnnx({ nodes, inputs, outputs, constants = {} }: FixtureGraph): Uint8Array<ArrayBuffer> {
  const graph = [
    ...nodes.flatMap((node) =>
      bytes(1, [
        ...node.inputs.flatMap((name) => text(1, name)),
        ...node.outputs.flatMap((name) => text(2, name)),
        ...text(4, node.operator),
        ...Object.entries(node.attributes ?? {}).flatMap(([name, value]) => bytes(5, attribute(name, value))),
      ]),
    ),
    ...text(2, "g"),
    ...Object.entries(constants).flatMap(([name, constant]) => bytes(5, tensor(name, constant))),
    ...Object.entries(inputs).flatMap(([name, value]) => bytes(11, valueInfo(name, value))),
    ...Object.entries(outputs).flatMap(([name, value]) => bytes(12, valueInfo(name, value))),
  ];
  return new Uint8Array([...number(1, 8), ...bytes(7, graph), ...bytes(8, number(2, 20))]);
}
