/**
 * Package files from a zip, wherever it came from. Nothing is unpacked before it is asked for, and never more than the list
 * at the zip's end promised (`zip-directory.ts`). Whether the files are the manifest's: see `package.ts`.
 */
import { Inflate } from "fflate";
import { ArchiveError, FileMismatchError, MissingFileError } from "../errors";
import { type Bytes, crc32 } from "./bytes";
import type { PackageSource } from "./package";
import { damaged, readDirectory, type ZipEntry } from "./zip-directory";

/** Of packed bytes; a step unpacks to at most a thousand times as many. */
const STEP_BYTES = 1 << 14;
const LOCAL_BYTES = 30;

/**
 * @param zip at most 1 GiB; it may not change while it is read
 * @param where its name, for messages
 * @throws ArchiveError, PathError, MissingFileError when there is no world.json
 */
export async function zipSource(zip: Blob, where: string): Promise<PackageSource> {
  const entries = await readDirectory(zip, where);
  return {
    async read(path, { signal, maxBytes, onBytes }) {
      signal?.throwIfAborted();
      const entry = entries.get(path);
      if (!entry)
        throw new MissingFileError(`${path}: expected the file in ${where}, got nothing. Pack the world again.`);
      if (entry.size > maxBytes) {
        throw new FileMismatchError(
          `${path}: expected at most ${maxBytes} bytes, got ${entry.size}. Pack the world again.`,
        );
      }
      const packed = await readPacked(zip, entry, where);
      const contents = entry.method === "stored" ? packed : unpack(packed, entry, where);
      // It tells a damaged world.json, which nothing else vouches for where no hash was given.
      if (crc32(contents) !== entry.crc32) throw damaged(where);
      signal?.throwIfAborted();
      onBytes?.(contents.length);
      return contents;
    },
  };
}

/** The bytes of an entry; its own header must agree with the list about its name. */
async function readPacked(zip: Blob, { name, offset, packed, end }: ZipEntry, where: string): Promise<Bytes> {
  const header = new DataView(await zip.slice(offset, Math.min(offset + LOCAL_BYTES + 0xffff, end)).arrayBuffer());
  if (header.byteLength < LOCAL_BYTES || header.getUint32(0, true) !== 0x04034b50) throw damaged(where);
  const nameLength = header.getUint16(26, true);
  const from = offset + LOCAL_BYTES + nameLength + header.getUint16(28, true);
  if (from + packed > end || LOCAL_BYTES + nameLength > header.byteLength) throw damaged(where);
  if (new TextDecoder().decode(new Uint8Array(header.buffer, LOCAL_BYTES, nameLength)) !== name) throw damaged(where);
  return new Uint8Array(await zip.slice(from, from + packed).arrayBuffer());
}

function unpack(packed: Bytes, { name, size }: ZipEntry, where: string): Bytes {
  const contents = new Uint8Array(size);
  let length = 0;
  const inflate = new Inflate((chunk) => {
    if (length + chunk.length > size) {
      throw new ArchiveError(
        `${where}: expected ${size} bytes in ${JSON.stringify(name)}, got more. Don't trust this zip.`,
      );
    }
    contents.set(chunk, length);
    length += chunk.length;
  });
  try {
    for (let at = 0; at < packed.length; at += STEP_BYTES) {
      inflate.push(packed.subarray(at, at + STEP_BYTES), at + STEP_BYTES >= packed.length);
    }
  } catch (error) {
    if (error instanceof ArchiveError) throw error;
    throw new ArchiveError(damaged(where).message, { cause: error });
  }
  if (length !== size) throw damaged(where);
  return contents;
}
