/**
 * An output folder that appears only when it is complete: files are written to a folder beside it, which takes the
 * name at the end. A command that fails leaves nothing behind.
 */
import { mkdir, mkdtemp, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { RecordingError } from "../errors";

/** @throws RecordingError when the folder holds something already, unless `force`, or is no folder */
export async function checkOutFolder(folder: string, force: boolean): Promise<void> {
  const entries = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    const got = error.code === "ENOTDIR" ? "a file" : error.message;
    throw new RecordingError(`--out ${folder}: expected a folder, got ${got}`, { cause: error });
  });
  if (entries.length > 0 && !force) {
    throw new RecordingError(
      `--out ${folder}: expected an empty or new folder, got one with ${entries.length} entries; choose another or add --force`,
    );
  }
}

/**
 * Has `write` fill a temporary folder, then puts its files into `folder`, and gives what `write` gave. Files of the same
 * name are replaced, others stay.
 * @throws RecordingError when nothing can be written there, and what `write` throws
 */
export async function writeFolder<T>(folder: string, write: (temporary: string) => Promise<T>): Promise<T> {
  const target = resolve(folder);
  const temporary = await makeBeside(target).catch((error: Error) => {
    throw new RecordingError(`--out ${folder}: expected a place to write to, got ${error.message}`, { cause: error });
  });
  try {
    const result = await write(temporary);
    await mkdir(target, { recursive: true });
    for (const name of await readdir(temporary)) await rename(join(temporary, name), join(target, name));
    return result;
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function makeBeside(target: string): Promise<string> {
  await mkdir(dirname(target), { recursive: true });
  return mkdtemp(join(dirname(target), `.${basename(target)}-`));
}
