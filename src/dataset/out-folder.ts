/**
 * What `--out` names, for every command: one check of it, one way to fill it, and one line when it can't be written.
 */
import { mkdir, mkdtemp, readdir, rename, rm, rmdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { OutputError } from "../errors";

/** What lies there already; nothing where there is no folder yet. @throws OutputError when it is no folder */
export async function listOutFolder(out: string): Promise<string[]> {
  return readdir(resolve(out)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    const got = error.code === "ENOTDIR" ? "a file" : error.message;
    throw new OutputError(`--out ${out}: expected a folder, got ${got}`, { cause: error });
  });
}

/**
 * Has `write` fill a temporary folder, then puts its files into `out`, and gives what `write` gave. Files of the same
 * name are replaced, others stay. The temporary folder lies in `out`, because only there it is surely on the same file
 * system; a command that fails leaves neither behind.
 * @param force `out` may hold something already
 * @throws OutputError, before `write` is called when it can be known by then; and what `write` throws
 */
export async function writeFolder<T>(
  out: string,
  force: boolean,
  write: (temporary: string) => Promise<T>,
): Promise<T> {
  const entries = await listOutFolder(out);
  if (entries.length > 0 && !force) {
    throw new OutputError(
      `--out ${out}: expected an empty or new folder, got one with ${entries.length} entries; choose another or add --force`,
    );
  }
  return onDisk(out, KEPT_NOTHING, () =>
    inNewFolder(resolve(out), (target) =>
      inTemporary(target, async (temporary) => {
        const result = await write(temporary);
        for (const name of await readdir(temporary)) await rename(join(temporary, name), join(target, name));
        return result;
      }),
    ),
  );
}

const KEPT_NOTHING = "nothing was kept: make room, or choose another";

async function inTemporary<T>(target: string, write: (temporary: string) => Promise<T>): Promise<T> {
  const temporary = await mkdtemp(join(target, ".partial-"));
  try {
    return await write(temporary);
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/**
 * Has `write` make files in a temporary folder beside the file `out`, and move them to their places when all is well.
 * @throws OutputError, and what `write` throws: then neither that folder is left nor those that were made for it
 */
export const writeBeside = <T>(out: string, write: (temporary: string) => Promise<T>): Promise<T> =>
  onDisk(out, KEPT_NOTHING, () => inFolderOf(resolve(out), (file) => inTemporary(dirname(file), write)));

/** Makes the folder, if it isn't there, and those above it. When `fill` fails they go again, unless they hold something. */
export async function inNewFolder<T>(folder: string, fill: (folder: string) => Promise<T>): Promise<T> {
  const made: string[] = [];
  try {
    await make(folder, made);
    return await fill(folder);
  } catch (error) {
    for (const path of made) await rmdir(path).catch(() => undefined); // what others have put there stays
    throw error;
  }
}

/** The same for the folder of one file. */
export const inFolderOf = <T>(file: string, fill: (file: string) => Promise<T>): Promise<T> =>
  inNewFolder(dirname(file), () => fill(file));

/** Node's own recursive `mkdir` never ends where nothing can be made, as under /proc. @param made gets those that are new, deepest first */
async function make(folder: string, made: string[]): Promise<void> {
  const attempt = () => mkdir(folder).catch((error: NodeJS.ErrnoException) => error);
  let refused = await attempt();
  if (refused?.code === "ENOENT" && dirname(folder) !== folder) {
    await make(dirname(folder), made);
    refused = await attempt();
  }
  if (!refused) made.unshift(folder);
  else if (refused.code !== "EEXIST") throw refused; // another process may have made it meanwhile
}

/** Tells the file system's errors in one line. @param advice what to do. @throws OutputError, and what else `write` throws */
export async function onDisk<T>(out: string, advice: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const { code, syscall, message } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    throw unwritable(out, code === "ENOSPC" ? "a full disk" : message, advice, error);
  }
}

export const unwritable = (out: string, got: string, advice: string, cause?: unknown) =>
  new OutputError(`--out ${out}: expected a place to write to, with room, got ${got}; ${advice}`, { cause });
