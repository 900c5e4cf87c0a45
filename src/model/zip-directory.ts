/**
 * The list at the end of a zip, read with suspicion: what each file is called, how long it is and where it lies, before a
 * byte of it is unpacked. fflate unpacks, but says nothing of links, encryption, overlaps or names given twice. What a zip
 * of a package may be is less than what the format allows (APPNOTE.TXT 6.3): no zip64, no parts, one top folder at most.
 * Reading the files: see `zip-source.ts`.
 */
import { ArchiveError, MissingFileError, PathError } from "../errors";
import { MAX_BYTES } from "./contract";
import { isPlainPath } from "./package";

export interface ZipEntry {
  /** As the zip has it. */
  readonly name: string;
  readonly method: "stored" | "deflated";
  /** Bytes in the zip, and when unpacked. */
  readonly packed: number;
  readonly size: number;
  readonly crc32: number;
  /** Of its local header; nothing of it lies at or after `end`. */
  readonly offset: number;
  readonly end: number;
}

/** A package has some thirty files. */
const MAX_ENTRIES = 4096;
/** The most a package may have, and 4 MiB for headers and names. */
export const MAX_ZIP_BYTES = MAX_BYTES + 2 ** 22;
const END_BYTES = 22;
const ENTRY_BYTES = 46;
const LOCAL_BYTES = 30;
/** macOS puts its notes about the files into a second top folder. */
const NOT_OURS = "__MACOSX/";

/**
 * @param where the zip's name, for messages
 * @returns path in the package: its entry. @throws ArchiveError, PathError, MissingFileError when there is no world.json
 */
export async function readDirectory(zip: Blob, where: string): Promise<ReadonlyMap<string, ZipEntry>> {
  if (zip.size > MAX_ZIP_BYTES) {
    throw new ArchiveError(`${where}: expected at most ${MAX_ZIP_BYTES} bytes, got ${zip.size}.`);
  }
  const end = await findEnd(zip, where);
  const list = await viewOf(zip.slice(end.from, end.from + end.bytes));
  const entries: Omit<ZipEntry, "end">[] = [];
  let at = 0;
  for (let i = 0; i < end.count; i++) {
    if (at + ENTRY_BYTES > list.byteLength || list.getUint32(at, true) !== 0x02014b50) throw damaged(where);
    const nameLength = list.getUint16(at + 28, true);
    const length = ENTRY_BYTES + nameLength + list.getUint16(at + 30, true) + list.getUint16(at + 32, true);
    if (at + length > list.byteLength) throw damaged(where);
    const name = new TextDecoder().decode(new Uint8Array(list.buffer, at + ENTRY_BYTES, nameLength));
    const entry = parseEntry(list, at, name, where);
    if (entry) entries.push(entry);
    at += length;
  }
  if (at !== list.byteLength) throw damaged(where);
  checkRoom(entries, where);
  return byPath(withEnds(entries, end.from, where), where);
}

/** Where the list lies. */
async function findEnd(zip: Blob, where: string) {
  const tail = await viewOf(zip.slice(-(END_BYTES + 0xffff)));
  let at = tail.byteLength - END_BYTES;
  const isEnd = () =>
    tail.getUint32(at, true) === 0x06054b50 && at + END_BYTES + tail.getUint16(at + 20, true) === tail.byteLength;
  while (at >= 0 && !isEnd()) at -= 1;
  if (at < 0) {
    const begin = await viewOf(zip.slice(0, 4));
    if (begin.byteLength < 4 || begin.getUint32(0, true) !== 0x04034b50) {
      throw new ArchiveError(`${where}: expected a zip, got something else. \`worldloop pack\` makes one of a world.`);
    }
    throw new ArchiveError(`${where}: expected a whole zip, got one whose end is missing. Download it again.`);
  }
  const [disk, firstDisk, here, count] = [4, 6, 8, 10].map((offset) => tail.getUint16(at + offset, true));
  const [bytes, from] = [12, 16].map((offset) => tail.getUint32(at + offset, true)) as [number, number];
  if (count === 0xffff || bytes === 0xffffffff || from === 0xffffffff) throw zip64(where);
  if (disk !== 0 || firstDisk !== 0 || here !== count) {
    throw new ArchiveError(`${where}: expected one zip, got a part of a split one. Join the parts.`);
  }
  if (count === undefined || count > MAX_ENTRIES) {
    throw new ArchiveError(
      `${where}: expected at most ${MAX_ENTRIES} files, got ${count}. Zip the world's folder alone.`,
    );
  }
  if (from + bytes !== zip.size - tail.byteLength + at) throw damaged(where);
  return { from, bytes, count };
}

/** Null: a folder, or nothing of ours. */
function parseEntry(list: DataView, at: number, name: string, where: string): Omit<ZipEntry, "end"> | null {
  checkName(name, where);
  const [flags, method] = [list.getUint16(at + 8, true), list.getUint16(at + 10, true)] as const;
  const [crc32, packed, size] = [
    list.getUint32(at + 16, true),
    list.getUint32(at + 20, true),
    list.getUint32(at + 24, true),
  ];
  const kind = (list.getUint32(at + 38, true) >>> 28) & 0xf; // of Unix: 4 a folder, 8 a file, 10 a link; 0 unknown
  const offset = list.getUint32(at + 42, true);
  const quoted = JSON.stringify(name);
  if (flags & 0x2041)
    throw new ArchiveError(`${where}: expected no password, got an encrypted ${quoted}. Zip it without one.`);
  if ([packed, size, offset].includes(0xffffffff)) throw zip64(where);
  if (kind !== 0 && kind !== 4 && kind !== 8) {
    throw new PathError(`${where}: expected files and folders, got the link ${quoted}. Zip what it leads to.`);
  }
  if (name.endsWith("/") || name.startsWith(NOT_OURS)) return null;
  if (method !== 0 && method !== 8) {
    throw new ArchiveError(
      `${where}: expected files stored or deflated, got method ${method} for ${quoted}. Zip it again.`,
    );
  }
  if (method === 0 && packed !== size) throw damaged(where);
  return { name, method: method === 0 ? "stored" : "deflated", packed, size, crc32, offset };
}

/** Absolute, upwards or with a backslash: refused even where nobody would read it. */
function checkName(name: string, where: string): void {
  const parts = name.replace(/\/$/, "").split("/");
  if (!/[\\:\0]/.test(name) && parts.every((part) => part !== "" && part !== "." && part !== "..")) return;
  throw misnamed(name, where);
}

/** What a zip of a few kilobytes can unpack to is limited before it is unpacked. */
function checkRoom(entries: readonly Pick<ZipEntry, "size">[], where: string): void {
  const size = entries.reduce((sum, entry) => sum + entry.size, 0);
  if (size <= MAX_BYTES) return;
  throw new ArchiveError(`${where}: expected at most ${MAX_BYTES} bytes when unpacked, got ${size}. It is no world.`);
}

/** Files may not share bytes: that is how a small zip unpacks to a huge one. */
function withEnds(entries: readonly Omit<ZipEntry, "end">[], limit: number, where: string): ZipEntry[] {
  const order = [...entries].sort((a, b) => a.offset - b.offset);
  return order.map((entry, index) => {
    const end = order[index + 1]?.offset ?? limit;
    if (entry.offset + LOCAL_BYTES + entry.packed > end) throw damaged(where);
    return { ...entry, end };
  });
}

/** Takes off the one top folder, if world.json lies in one. */
function byPath(entries: readonly ZipEntry[], where: string): ReadonlyMap<string, ZipEntry> {
  const names = entries.map(({ name }) => name);
  const top = names.includes("world.json") ? "" : `${names[0]?.split("/", 1)[0]}/`;
  if (!names.includes(`${top}world.json`) || !names.every((name) => name.startsWith(top))) {
    throw new MissingFileError(
      `${where}: expected world.json at its top or in its one folder, got ${names.length} files without. Zip one world's folder.`,
    );
  }
  const found = new Map<string, ZipEntry>();
  const taken = new Set<string>();
  for (const entry of entries) {
    const path = entry.name.slice(top.length);
    if (!isPlainPath(path)) throw misnamed(entry.name, where);
    const key = path.toLowerCase(); // on many disks the same file
    if (taken.has(key))
      throw new ArchiveError(`${where}: expected every name once, got ${JSON.stringify(entry.name)} twice.`);
    taken.add(key);
    found.set(path, entry);
  }
  return found;
}

const viewOf = async (part: Blob): Promise<DataView<ArrayBuffer>> => new DataView(await part.arrayBuffer());

const misnamed = (name: string, where: string) =>
  new PathError(
    `${where}: expected names of A-Z, a-z, 0-9, ".", "_", "-" such as starts/0.bin, got ${JSON.stringify(name)}. Rename it.`,
  );

const zip64 = (where: string) =>
  new ArchiveError(`${where}: expected a plain zip, got zip64. A world needs less than 4 GB: zip it without.`);

export const damaged = (where: string) =>
  new ArchiveError(`${where}: expected a sound zip, got a damaged one. Download it again.`);
