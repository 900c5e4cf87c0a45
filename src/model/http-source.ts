/**
 * Package files over HTTP, from any static host. For the browser and its worker. Names stay from one version of a world to
 * the next: the manifest is always asked for anew, and what it lists has its hash in the address, so that no cache answers
 * with a file of another version.
 */
import { FileMismatchError, MissingFileError, OfflineError, WorldloopError } from "../errors";
import { type Bytes, concat } from "./bytes";
import type { PackageSource, ReadOptions } from "./package";

/** @param url the package's folder, absolute, ending in a slash */
export function httpSource(url: string): PackageSource {
  return {
    async read(path, options) {
      const address = fileAddress(url, path, options.sha256);
      try {
        return await download(address, path, options);
      } catch (error) {
        if (error instanceof WorldloopError || options.signal?.aborted) throw error;
        throw new MissingFileError(
          `${path}: expected the file at ${address.href}, got no answer or half of one (${(error as Error).message}). Try again.`,
        );
      }
    },
  };
}

/** Where a file of a package is read from, and under which a kept copy of it is found. @param url the package's folder */
export function fileAddress(url: string, path: string, sha256?: string): URL {
  const address = new URL(path, url);
  if (sha256 !== undefined) address.searchParams.set("sha256", sha256);
  return address;
}

async function download(address: URL, path: string, options: ReadOptions): Promise<Bytes> {
  const { signal, sha256, afresh } = options;
  const init: RequestInit = {
    cache: afresh ? "reload" : sha256 === undefined ? "no-cache" : "default",
    ...(signal ? { signal } : {}),
  };
  const response = await fetch(address, init).catch((error: Error) => {
    if (signal?.aborted) throw error;
    const world = new URL(".", address).pathname.split("/").at(-2) || address.host;
    throw new OfflineError(
      `There is no connection to the world ${world}, and this device holds no copy of it: open it once while connected, then it plays offline too.`,
    );
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new MissingFileError(`${path}: expected the file at ${address.href}, got HTTP status ${response.status}.`);
  }
  return readBody(response, path, options);
}

/** The whole body. @throws FileMismatchError when it is too long, and what the connection throws */
export async function readBody(
  response: Response,
  path: string,
  { maxBytes, onBytes }: Pick<ReadOptions, "maxBytes" | "onBytes">,
): Promise<Bytes> {
  const reader = response.body?.getReader();
  const chunks: Bytes[] = [];
  let length = 0;
  for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) {
    chunks.push(next.value);
    length += next.value.length;
    if (length > maxBytes) {
      await reader?.cancel();
      throw new FileMismatchError(`${path}: expected at most ${maxBytes} bytes, got more. Export the world again.`);
    }
    onBytes?.(next.value.length);
  }
  return concat(chunks);
}
