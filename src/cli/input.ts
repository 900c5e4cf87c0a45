/** What the command line takes in: files and numbers, each refused with one line that says what was expected. */
import { readFile } from "node:fs/promises";
import { type Npy, parseNpy } from "../dataset/npy";
import { gotInstead } from "../dataset/stored-file";
import { RecordingError, ResetError, WorldloopError } from "../errors";
import { type EngineChoice, isEngineChoice, isPrecision, type Precision } from "../model/engine-choice";
import type { Manifest } from "../model/manifest";
import type { Drive } from "../model/prompt";
import { parseActionLog } from "../record/action-log";

/** @throws RecordingError when it can't be read */
export async function readInput(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    throw new RecordingError(`${path}: expected a file, got ${gotInstead(error)}`, { cause: error });
  }
}

/** @throws RecordingError, its message beginning with the path (and line) */
export async function readActions(path: string, manifest: Manifest): Promise<Drive> {
  const bytes = await readInput(path);
  return about(path, () => parseActionLog(manifest.actions, new TextDecoder().decode(bytes)));
}

/** @throws RecordingError when the file doesn't hold pictures of the world's size, uint8 [n, H, W, 3] */
export function parsePictures(path: string, bytes: Uint8Array, { picture }: Manifest): Npy & { dtype: "uint8" } {
  const npy = about(path, () => parseNpy(bytes));
  const [count = 0, ...size] = npy.shape;
  const wanted = [picture.height, picture.width, 3];
  if (npy.dtype === "uint8" && count > 0 && size.join() === wanted.join()) return npy;
  throw new RecordingError(
    `${path}: expected pictures uint8 [n, ${wanted.join(", ")}], got ${npy.dtype} [${npy.shape.join(", ")}]; resize them or choose the world they are of`,
  );
}

/** @throws ResetError when the text isn't a whole number from `first` to `last` */
export function parseWhole(name: string, text: string, first: number, last: number): number {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= first && value <= last) return value;
  throw new ResetError(`${name}: expected an integer from ${first} to ${last}, got "${text}"`);
}

/** @throws ResetError */
export function parseEngine(text: string): EngineChoice {
  if (isEngineChoice(text)) return text;
  throw new ResetError(`--engine: expected own, ort or auto, got "${text}"`);
}

/** How our own engine multiplies. @throws ResetError, also where onnxruntime may run the network, which has float32 alone */
export function parsePrecision(text: string, engine: EngineChoice): Precision {
  if (!isPrecision(text)) throw new ResetError(`--precision: expected float32 or int8, got "${text}"`);
  if (text !== "float32" && engine !== "own")
    throw new ResetError(`--precision: expected --engine own beside ${text}, got --engine ${engine}`);
  return text;
}

/** Puts the file's name in front of what is wrong with it. */
export function about<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof WorldloopError)) throw error;
    throw new RecordingError(`${path}: ${error.message}`, { cause: error });
  }
}

/** @throws ResetError when the text is no sha256 in hex */
export function parseSha256(name: string, text: string): string {
  if (/^[0-9a-f]{64}$/i.test(text)) return text.toLowerCase();
  throw new ResetError(`${name}: expected 64 digits of 0-9 and a-f, got "${text}"`);
}
