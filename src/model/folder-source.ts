/** Package files from a folder on disk. For Node only: browser code never imports this. */
import { open, realpath } from "node:fs/promises";
import { join, sep } from "node:path";
import { FileMismatchError, MissingFileError, PathError } from "../errors";
import type { PackageSource } from "./package";

/** @param folder the one that holds world.json. Links are followed as long as they stay inside it. */
export function folderSource(folder: string): PackageSource {
  return {
    async read(path, { signal, maxBytes, onBytes }) {
      const [root, file] = await Promise.all([
        resolve(folder, path, folder),
        resolve(join(folder, path), path, folder),
      ]);
      if (!file.startsWith(root + sep)) {
        throw new PathError(`${path}: expected a file inside the package, got a link that leads out of it.`);
      }
      const handle = await open(file);
      try {
        const found = await handle.stat();
        if (!found.isFile()) throw missing(path, folder, "a folder");
        const { size } = found;
        if (size > maxBytes) {
          throw new FileMismatchError(
            `${path}: expected at most ${maxBytes} bytes, got ${size}. Export the world again.`,
          );
        }
        signal?.throwIfAborted();
        const contents = new Uint8Array(await handle.readFile());
        onBytes?.(contents.length);
        return contents;
      } finally {
        await handle.close();
      }
    },
  };
}

async function resolve(file: string, path: string, folder: string): Promise<string> {
  try {
    return await realpath(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR") throw missing(path, folder, "nothing");
    throw error;
  }
}

function missing(path: string, folder: string, got: string): MissingFileError {
  return new MissingFileError(`${path}: expected the file in ${folder}, got ${got}. Copy or export the world again.`);
}
