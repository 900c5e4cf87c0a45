import { expect, test } from "vitest";
import { npyHeader, parseNpy } from "./npy";

const file = (header: Uint8Array, data: Uint8Array) => Uint8Array.of(...header, ...data);
const latin = (text: string) => Uint8Array.from(text, (character) => character.charCodeAt(0));

/** What `numpy.save` writes, version 1, for a header of this text. */
function numpy(dictionary: string, data: Uint8Array): Uint8Array {
  const text = `${dictionary.padEnd(117)}\n`;
  return file(Uint8Array.of(...latin("\x93NUMPY\x01\x00"), text.length, 0, ...latin(text)), data);
}

test("what is written is read", () => {
  const data = Uint8Array.of(1, 2, 3, 4, 5, 6);
  expect(parseNpy(file(npyHeader("uint8", [1, 2, 3]), data))).toEqual({ dtype: "uint8", shape: [1, 2, 3], data });
  const floats = Float32Array.of(0.5, -1);
  const bytes = file(npyHeader("float32", [2]), new Uint8Array(floats.buffer));
  expect(parseNpy(bytes)).toEqual({ dtype: "float32", shape: [2], data: floats });
});

test("the header is NumPy's, with data at a multiple of 64 bytes", () => {
  for (const shape of [[1], [12, 96, 96, 3], [100000, 64, 64, 3]]) {
    const header = npyHeader("uint8", shape);
    expect(header.length % 64).toBe(0);
    const text = new TextDecoder("latin1").decode(header);
    expect(text.slice(1, 8)).toBe("NUMPY\x01\x00");
    expect(text.slice(10)).toMatch(/^\{'descr': '\|u1', 'fortran_order': False, 'shape': \([\d, ]+\), \} *\n$/);
  }
});

test.each([
  ["text", latin("hello, this is text"), "got something else"],
  ["an empty file", new Uint8Array(0), "got something else"],
  ["doubles", numpy("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }", new Uint8Array(8)), "got dtype <f8"],
  [
    "columns",
    numpy("{'descr': '|u1', 'fortran_order': True, 'shape': (1,), }", new Uint8Array(1)),
    "got Fortran order",
  ],
  ["too little", numpy("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2), }", new Uint8Array(3)), "got 3"],
])("%s is refused", (_, bytes, message) => {
  expect(() => parseNpy(bytes)).toThrow(
    expect.objectContaining({ name: "RecordingError", message: expect.stringContaining(message) }),
  );
});
