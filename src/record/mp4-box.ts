/**
 * `uuid` boxes at the end of an MP4 file: one more there moves nothing that the file points at. Only the heads of boxes
 * are read, so a film of gigabytes costs no memory. Source: ISO/IEC 14496-12, 4.2.
 */
import { RecordingError } from "../errors";

/** Where XMP lies in an MP4 file. Source: XMP specification part 3, 1.2.7. */
export const XMP_BOX = "be7acfcb97a942e89c71999491e3afac";

/** @param uuid 32 hex digits */
export function uuidBox(uuid: string, text: string): Uint8Array<ArrayBuffer> {
  const data = new TextEncoder().encode(text);
  const box = new Uint8Array(24 + data.length);
  new DataView(box.buffer).setUint32(0, box.length);
  box.set(new TextEncoder().encode("uuid"), 4);
  box.set(uuid.match(/../g)?.map((digits) => Number.parseInt(digits, 16)) ?? [], 8);
  box.set(data, 24);
  return box;
}

/**
 * The text of the file's first box of this name; null when it has none.
 * @param longest bytes
 * @throws RecordingError when the file is cut short or damaged, or the text longer
 */
export async function readUuidBox(file: Blob, uuid: string, longest: number): Promise<string | null> {
  for (let at = 0; at < file.size; ) {
    const head = new DataView(await file.slice(at, at + 32).arrayBuffer());
    if (head.byteLength < 8) throw broken("an end too soon");
    const short = head.getUint32(0);
    if (short === 1 && head.byteLength < 16) throw broken("an end too soon");
    const size = short === 1 ? Number(head.getBigUint64(8)) : short === 0 ? file.size - at : short;
    const named = short === 1 ? 16 : 8;
    if (size < named || at + size > file.size) throw broken("an end too soon");
    const is = (from: number, length: number) =>
      Array.from({ length }, (_, i) =>
        head
          .getUint8(from + i)
          .toString(16)
          .padStart(2, "0"),
      ).join("");
    if (is(4, 4) === "75756964" && head.byteLength >= named + 16 && is(named, 16) === uuid) {
      if (size > longest) throw new RecordingError(`MP4: expected a record of at most ${longest} bytes, got ${size}.`);
      return file.slice(at + named + 16, at + size).text();
    }
    at += size;
  }
  return null;
}

const broken = (got: string) =>
  new RecordingError(`MP4: expected a whole file, got ${got}. It was cut short or damaged: get it again.`);
