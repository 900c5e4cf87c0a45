/**
 * NumPy's .npy files, as far as rollouts and datasets need them: C order, little-endian; bool is written only.
 * Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { RecordingError } from "../errors";

const DESCRIPTIONS = { uint8: "|u1", float32: "<f4", bool: "|b1" } as const;
const BYTES = { uint8: 1, float32: 4 } as const;
const MAGIC = [0x93, ...new TextEncoder().encode("NUMPY")];
const ALIGNMENT = 64; // bytes; data begin at a multiple of it

export type Npy =
  | { readonly dtype: "uint8"; readonly shape: readonly number[]; readonly data: Uint8Array }
  | { readonly dtype: "float32"; readonly shape: readonly number[]; readonly data: Float32Array };

/** Everything before the data, which follow row by row. */
export function npyHeader(dtype: Npy["dtype"] | "bool", shape: readonly number[]): Uint8Array {
  const tuple = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const dictionary = `{'descr': '${DESCRIPTIONS[dtype]}', 'fortran_order': False, 'shape': (${tuple}), }`;
  const padding = ALIGNMENT - ((MAGIC.length + 4 + dictionary.length + 1) % ALIGNMENT);
  const text = new TextEncoder().encode(`${dictionary}${" ".repeat(padding)}\n`);
  return Uint8Array.of(...MAGIC, 1, 0, text.length & 0xff, text.length >> 8, ...text);
}

/** Of a whole file. The data are copied. @throws RecordingError when it is anything else than described above */
export function parseNpy(bytes: Uint8Array): Npy {
  const refuse = (got: string) =>
    new RecordingError(`expected a .npy file of uint8 or float32 in C order, got ${got}; save it with numpy.save`);
  if (bytes.length < 12 || MAGIC.some((byte, i) => bytes[i] !== byte)) throw refuse("something else");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = view.getUint8(6) > 1; // from version 2 on the length takes four bytes
  const begin = wide ? 12 : 10;
  const end = begin + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  const header = new TextDecoder().decode(bytes.subarray(begin, end));

  const description = /'descr':\s*'([^']*)'/.exec(header)?.[1];
  const dtype = description === "|u1" ? "uint8" : description === "<f4" ? "float32" : undefined;
  if (!dtype) throw refuse(description ? `dtype ${description}` : "a header without a simple dtype");
  if (!/'fortran_order':\s*False/.test(header)) throw refuse("Fortran order");
  const tuple = /'shape':\s*\(([\d,\s]*)\)/.exec(header)?.[1];
  if (tuple === undefined) throw refuse("a header without a shape");
  const shape = tuple
    .split(",")
    .filter((part) => part.trim() !== "")
    .map(Number);

  const size = shape.reduce((product, length) => product * length, BYTES[dtype]);
  if (bytes.length - end !== size) {
    throw new RecordingError(
      `expected ${size} bytes of data for shape [${shape.join(", ")}], got ${bytes.length - end}; the file is cut short or damaged`,
    );
  }
  const data = bytes.slice(end);
  return dtype === "uint8" ? { dtype, shape, data } : { dtype, shape, data: new Float32Array(data.buffer) };
}
