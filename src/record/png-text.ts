/** Texts in a PNG file: its `iTXt` chunks, read and written. Source: PNG specification, third edition, 11.3.3.4. */
import { RecordingError } from "../errors";
import { type Bytes, concat, crc32 } from "../model/bytes";
import { through } from "./through";

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

export const isPng = (bytes: Uint8Array): boolean => SIGNATURE.every((byte, i) => bytes[i] === byte);

export interface PngInfo {
  /** px. */
  readonly width: number;
  readonly height: number;
  /** `iTXt` texts by keyword; of several with one keyword, the first. */
  readonly texts: ReadonlyMap<string, string>;
  /** It carries a C2PA manifest. */
  readonly signed: boolean;
}

/** Everything but the picture, and that none of it is damaged. @throws RecordingError */
export function readPng(bytes: Bytes): PngInfo {
  const texts = new Map<string, string>();
  let size: { width: number; height: number } | undefined;
  let signed = false;
  for (const { type, data } of chunksOf(bytes)) {
    if (type === "IHDR" && data.length >= 8) size = { width: uint32(data, 0), height: uint32(data, 4) };
    if (type === "caBX") signed = true;
    if (type !== "iTXt") continue;
    const found = textOf(data);
    if (found && !texts.has(found.keyword)) texts.set(found.keyword, found.text);
  }
  if (!size) throw broken("no size");
  return { ...size, texts, signed };
}

/**
 * The picture and nothing else, for a decoder: a text or a colour profile may hold anything.
 * @throws RecordingError when it is damaged, or unpacks to more than four bytes a pixel
 */
export async function barePng(bytes: Bytes): Promise<Bytes> {
  const { width, height } = readPng(bytes);
  const packed: Bytes[] = [];
  const kept = [bytes.subarray(0, SIGNATURE.length)];
  for (const { type, data } of chunksOf(bytes)) {
    if (type === "IDAT") packed.push(data);
    if (["IHDR", "PLTE", "tRNS", "IDAT", "IEND"].includes(type)) kept.push(chunk(type, data));
  }
  try {
    await through(concat(packed), new DecompressionStream("deflate"), (width + 8) * (height + 8) * 4);
  } catch (error) {
    throw broken(`pixels that can't be unpacked (${(error as Error).message})`);
  }
  return concat(kept);
}

/** The same picture with these texts, right after its header. @param bytes a PNG file */
export function addPngTexts(bytes: Bytes, texts: readonly (readonly [keyword: string, text: string])[]): Bytes {
  const headerEnd = SIGNATURE.length + 12 + uint32(bytes, SIGNATURE.length);
  const encoder = new TextEncoder();
  const chunks = texts.map(([keyword, text]) => {
    const head = encoder.encode(`${keyword}\0\0\0\0\0`); // uncompressed, no language, no translated keyword
    return chunk("iTXt", concat([head, encoder.encode(text)]));
  });
  return concat([bytes.subarray(0, headerEnd), ...chunks, bytes.subarray(headerEnd)]);
}

function* chunksOf(bytes: Bytes): Generator<{ type: string; data: Bytes }> {
  let at = SIGNATURE.length;
  for (let type = ""; type !== "IEND"; ) {
    if (at + 12 > bytes.length) throw broken("an end too soon");
    const length = uint32(bytes, at);
    if (length > bytes.length - at - 12) throw broken("an end too soon");
    type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (crc32(bytes.subarray(at + 4, at + 8 + length)) !== uint32(bytes, at + 8 + length)) {
      throw broken(`a wrong checksum of its part ${/^\w{4}$/.test(type) ? type : "without a name"}`);
    }
    yield { type, data: bytes.subarray(at + 8, at + 8 + length) };
    at += 12 + length;
  }
}

/** Compressed texts are nobody's we know. */
function textOf(data: Bytes): { keyword: string; text: string } | undefined {
  const keywordEnd = data.indexOf(0);
  if (keywordEnd < 1 || data[keywordEnd + 1] !== 0) return undefined;
  const languageEnd = data.indexOf(0, keywordEnd + 3);
  const translatedEnd = languageEnd < 0 ? -1 : data.indexOf(0, languageEnd + 1);
  if (translatedEnd < 0) return undefined;
  const decoder = new TextDecoder();
  return {
    keyword: decoder.decode(data.subarray(0, keywordEnd)),
    text: decoder.decode(data.subarray(translatedEnd + 1)),
  };
}

function chunk(type: string, data: Bytes): Bytes {
  const named = concat([new TextEncoder().encode(type), data]);
  const ends = new DataView(new ArrayBuffer(8));
  ends.setUint32(0, data.length);
  ends.setUint32(4, crc32(named));
  const buffer = new Uint8Array(ends.buffer);
  return concat([buffer.subarray(0, 4), named, buffer.subarray(4)]);
}

const broken = (got: string) =>
  new RecordingError(`PNG: expected a whole file, got ${got}. It was cut short or damaged: get it again.`);

const uint32 = (bytes: Bytes, at: number): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(at);
