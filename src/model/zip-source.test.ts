/** A zip of a sound package opens, whoever zipped it; each way of being wrong has one clear error. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { strToU8, zipSync } from "fflate";
import { expect, test } from "vitest";
import type { Bytes } from "./bytes";
import { folderSource } from "./folder-source";
import { packZip, readWhole } from "./pack";
import { openPackage } from "./package";
import { sourceOfZip } from "./package-address";
import { zipSource } from "./zip-source";

const folder = fileURLToPath(new URL("../../tests/goldens/tiny-world", import.meta.url));
const { files, opened } = await readWhole(folderSource(folder));
const packed = packZip(files);

const bytesOf = (zip: Uint8Array): Bytes => new Uint8Array(zip);
const zipped = (entries: Record<string, Uint8Array>, level: 0 | 6 = 6): Bytes => bytesOf(zipSync(entries, { level }));
const all = (prefix = ""): Record<string, Uint8Array> =>
  Object.fromEntries([...files].map(([path, contents]) => [prefix + path, contents]));
const open = async (zip: Bytes) => openPackage(await zipSource(new Blob([zip]), "w.zip"));

/** A copy with one field of one record changed. */
function patched(
  zip: Bytes,
  signature: number,
  name: string | null,
  change: (view: DataView, at: number) => void,
): Bytes {
  const copy = zip.slice();
  const view = new DataView(copy.buffer);
  const nameAt = signature === 0x04034b50 ? 30 : 46;
  for (let at = 0; at + 4 <= copy.length; at++) {
    if (view.getUint32(at, true) !== signature) continue;
    const found = name && new TextDecoder().decode(copy.subarray(at + nameAt, at + nameAt + name.length));
    if (found !== name) continue;
    change(view, at);
    return copy;
  }
  throw new Error("no such record");
}
const inList = (name: string, change: (view: DataView, at: number) => void, zip = packed) =>
  patched(zip, 0x02014b50, name, change);
const atEnd = (change: (view: DataView, at: number) => void) => patched(packed, 0x06054b50, null, change);

/** Renames an entry to another of the same length, in the list and before the file. */
function renamed(from: string, to: string): Bytes {
  const write = (offset: number) => (view: DataView, at: number) =>
    new Uint8Array(view.buffer).set(new TextEncoder().encode(to), at + offset);
  return patched(inList(from, write(46)), 0x04034b50, from, write(30));
}

test("the same package packs to the same bytes, in the order of its names, and opens as the same package", async () => {
  const again = packZip((await readWhole(await zipSource(new Blob([packed]), "w.zip"))).files);
  expect(again).toEqual(packed);
  expect((await open(packed)).sha256).toBe(opened.sha256);
  const names = [...files.keys()];
  expect(names[0]).toBe("world.json");
  expect(names.slice(1)).toEqual(names.slice(1).sort());
});

test.each([
  ["deflated by another tool", zipped(all())],
  ["with one top folder, spaces and all", zipped(all("My world (2)/"))],
  ["as macOS zips a folder", zipped({ ...all("tiny/"), "__MACOSX/tiny/._world.json": strToU8("notes") })],
  ["with empty folders listed", zipped({ "starts/": new Uint8Array(0), ...all() })],
  ["with more files than the manifest lists", zipped({ ...all(), "notes.txt": strToU8("mine") })],
])("a zip %s opens", async (_, zip) => {
  const { sha256, read } = await open(zip);
  expect(sha256).toBe(opened.sha256);
  expect(await read("tick.onnx")).toEqual(files.get("tick.onnx"));
});

const METHOD = 10;
const SIZE = 24;
const ATTRIBUTES = 38;
const lie = (size: number) => inList("tick.onnx", (view, at) => view.setUint32(at + SIZE, size, true), zipped(all()));
const many = Object.fromEntries(Array.from({ length: 4100 }, (_, i) => [`f${i}`, new Uint8Array(0)]));

const refused: [string, Bytes, string, RegExp][] = [
  ["nothing", new Uint8Array(0), "ArchiveError", /expected a zip, got something else/],
  ["a page", bytesOf(strToU8("<!doctype html>".repeat(99))), "ArchiveError", /expected a zip, got something else/],
  ["a zip cut off", packed.slice(0, -40), "ArchiveError", /whose end is missing/],
  ["a zip with bytes before it", Uint8Array.of(1, 2, 3, ...packed), "ArchiveError", /damaged/],
  ["a zip with bytes behind it", Uint8Array.of(...packed, 0), "ArchiveError", /whose end is missing/],
  ["an absolute path", zipped({ ...all(), "/etc/passwd": strToU8("x") }), "PathError", /"\/etc\/passwd"/],
  ["a path upwards", zipped({ ...all(), "../evil": strToU8("x") }), "PathError", /"\.\.\/evil"/],
  ["a path upwards inside", zipped({ ...all(), "a/../../evil": strToU8("x") }), "PathError", /"a\/\.\.\/\.\.\/evil"/],
  ["a path of Windows", zipped({ ...all(), "a\\b": strToU8("x") }), "PathError", /"a\\\\b"/],
  ["a drive", zipped({ ...all(), "C:evil": strToU8("x") }), "PathError", /"C:evil"/],
  ["letters beyond ASCII", zipped({ ...all(), "Карта.png": strToU8("x") }), "PathError", /"Карта.png"/],
  ["a name that hides its end", zipped({ ...all(), "a\u202egnp.exe": strToU8("x") }), "PathError", /Rename it/],
  [
    "a link",
    inList("tick.onnx", (view, at) => view.setUint32(at + ATTRIBUTES, 0xa1ff0000, true)),
    "PathError",
    /the link "tick.onnx"/,
  ],
  ["a name twice", renamed("starts/1.actions", "starts/0.actions"), "ArchiveError", /"starts\/0.actions" twice/],
  [
    "a name twice but for capitals",
    zipped({ ...all(), "TICK.onnx": strToU8("x") }),
    "ArchiveError",
    /"TICK.onnx" twice/,
  ],
  [
    "a password",
    inList("tick.onnx", (view, at) => view.setUint16(at + 8, 1, true)),
    "ArchiveError",
    /encrypted "tick.onnx"/,
  ],
  [
    "another method",
    inList("tick.onnx", (view, at) => view.setUint16(at + METHOD, 14, true)),
    "ArchiveError",
    /method 14/,
  ],
  [
    "zip64 sizes",
    inList("tick.onnx", (view, at) => view.setUint32(at + SIZE, 0xffffffff, true)),
    "ArchiveError",
    /zip64/,
  ],
  ["zip64 throughout", atEnd((view, at) => view.setUint32(at + 16, 0xffffffff, true)), "ArchiveError", /zip64/],
  [
    "a part of a split zip",
    atEnd((view, at) => view.setUint16(at + 4, 1, true)),
    "ArchiveError",
    /a part of a split one/,
  ],
  [
    "a wrong count",
    atEnd((view, at) => [8, 10].map((o) => view.setUint16(at + o, 3, true))),
    "ArchiveError",
    /damaged/,
  ],
  ["too many files", zipped({ ...all(), ...many }), "ArchiveError", /at most 4096 files, got 4109/],
  [
    "a bomb that says so",
    inList("tick.onnx", (view, at) => view.setUint32(at + SIZE, 2 ** 31, true), zipped(all())),
    "ArchiveError",
    /at most 1073741824 bytes when unpacked/,
  ],
  ["a bomb that doesn't", lie(99), "FileMismatchError|ArchiveError", /expected (99|15344) bytes/],
  ["less than promised", lie(20_000), "FileMismatchError", /expected at most 15344 bytes, got 20000/],
  [
    "files that share bytes",
    inList("tick.onnx", (view, at) => view.setUint32(at + 42, 0, true)),
    "ArchiveError",
    /damaged/,
  ],
  [
    "another name before the file",
    patched(packed, 0x04034b50, "tick.onnx", (view, at) => view.setUint8(at + 30, 0x54)),
    "ArchiveError",
    /damaged/,
  ],
  [
    "no world.json",
    zipped({ "a.txt": strToU8("x") }),
    "MissingFileError",
    /expected world.json at its top or in its one folder/,
  ],
  ["two worlds", zipped({ ...all("a/"), ...all("b/") }), "MissingFileError", /in its one folder/],
  ["a world two folders deep", zipped(all("a/b/")), "MissingFileError", /in its one folder/],
  [
    "a listed file less",
    zipped(Object.fromEntries(Object.entries(all()).filter(([path]) => path !== "tick.onnx"))),
    "MissingFileError",
    /tick.onnx: expected the file in w.zip/,
  ],
];

test.each(refused)("%s is refused", async (_, zip, name, message) => {
  const error = await open(zip).then(
    () => null,
    (error: Error) => error,
  );
  expect(error?.name).toMatch(new RegExp(`^(${name})$`));
  expect(error?.message).toMatch(message);
});

test("one bit of world.json, which nothing else vouches for, is noticed", async () => {
  const at = packed.indexOf(0x7b); // its first {
  await expect(open(packed.with(at + 20, (packed[at + 20] as number) ^ 1))).rejects.toMatchObject({
    name: "ArchiveError",
  });
});

test("a bomb isn't unpacked further than it was said to be", async () => {
  const bomb = zipped({ ...all(), "tick.onnx": new Uint8Array(2 ** 21) });
  const lying = inList("tick.onnx", (view, at) => view.setUint32(at + SIZE, 15_344, true), bomb);
  await expect(open(lying)).rejects.toThrow('w.zip: expected 15344 bytes in "tick.onnx", got more');
});

test("the sha256 of the package is asked for, or that of the zip itself", async () => {
  const sum = (await import("node:crypto")).createHash("sha256").update(packed).digest("hex");
  const openAs = async (wanted: string) => {
    const { source, sha256 } = await sourceOfZip(packed, "w.zip", wanted);
    return (await openPackage(source, { sha256 })).sha256;
  };
  expect(await openAs(opened.sha256)).toBe(opened.sha256);
  expect(await openAs(sum)).toBe(opened.sha256);
  await expect(openAs("0".repeat(64))).rejects.toMatchObject({ name: "FileMismatchError" });
  expect(opened.sha256).toBe(
    (await import("node:crypto"))
      .createHash("sha256")
      .update(readFileSync(`${folder}/world.json`))
      .digest("hex"),
  );
});
