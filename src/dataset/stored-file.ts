/** Reading a file that has to be there, in a dataset or named by a person: what stands in the way is one clear word. */
import { readFile } from "node:fs/promises";
import { DatasetError } from "../errors";

/** @throws DatasetError when it can't be read: it isn't there, is a folder, is somebody else's */
export async function readStored(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return new Uint8Array(await readFile(path));
  } catch (error) {
    throw new DatasetError(`${path}: expected a file written by collect, got ${gotInstead(error)}`, { cause: error });
  }
}

/** What was found where a file should be. @param error of the file system */
export function gotInstead(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === "ENOENT" ? "nothing there" : code === "EISDIR" ? "a folder" : message;
}
