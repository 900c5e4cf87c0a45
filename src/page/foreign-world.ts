/**
 * Worlds from elsewhere: an address in a link, a zip or a folder dropped on the page. Whatever it was, it becomes one zip in
 * memory, checked from end to end and pinned by its sha256, before the worker gets it; the worker itself fetches nothing
 * from anywhere else. What may be asked: `model/package-address.ts`. What is remembered: `foreign-store.ts`.
 */
import { AddressError, FileMismatchError, MissingFileError, WorldloopError } from "../errors";
import type { GameLoop } from "../loop/game-loop";
import { readBody } from "../model/http-source";
import { packZip } from "../model/pack";
import { neededFiles, openPackage, type PackageSource, type WorldPackage } from "../model/package";
import { checkAddress, type FetchFile, type Found, sourceAt, sourceOfZip } from "../model/package-address";
import type { Progress } from "../model/worker-api";
import { type Foreign, formatHash, parseHash } from "../record/share-link";
import { writeAddress } from "./address";
import type { Dropped } from "./drop";
import { askForFile, askToOpen } from "./foreign-dialog";
import { allow, isAllowed, keep, take } from "./foreign-store";
import { announce } from "./notices";
import type { WorldSource } from "./world-source";

interface Gathered {
  readonly opened: WorldPackage;
  readonly zip: Blob;
}
type Run = { readonly signal?: AbortSignal; onProgress(loaded: number, total: number): void };

/** What a link names. @throws AbortedError, AddressError, and what opening a package throws */
export async function openForeign(foreign: Foreign, onProgress: (progress: Progress) => void): Promise<WorldSource> {
  const { address, sha256 } = foreign;
  const kept = sha256 === undefined ? undefined : await take(sha256);
  if (kept) return { url: kept, place: { foreign } };
  const isFile = !/^[a-z][a-z0-9+.-]*:/i.test(address);
  const { opened, zip } = isFile ? await fromFile(foreign) : await fromAddress(foreign, onProgress);
  const pinned = { address, sha256: opened.sha256 };
  writeAddress({ ...parseHash(location.hash), foreign: pinned });
  const say = () => announce(`Opened “${opened.manifest.title}”. The address holds its sha256: ${opened.sha256}.`);
  if (sha256 !== opened.sha256) document.addEventListener("worldloop:frame", say, { once: true }); // after "Running."
  return { url: zip, place: { foreign: pinned } };
}

async function fromAddress({ address, sha256 }: Foreign, onProgress: (progress: Progress) => void): Promise<Gathered> {
  const url = checkAddress(address);
  if (url.hostname === "[::1]") {
    throw new AddressError(
      `address: expected localhost for this machine, got ${url.host}: a page's rules can't name it.`,
    );
  }
  const run = async (options: Run) => {
    const fetchFile = createFetch(options.onProgress);
    return gather(await sourceAt(url, fetchFile, { wanted: sha256, ...options }), options);
  };
  if (sha256 !== undefined && isAllowed(sha256)) {
    return run({ onProgress: (loaded, total) => onProgress({ phase: "download", loaded, total }) });
  }
  const { opened, remember } = await askToOpen(
    {
      title: `Open a world from ${url.host}?`,
      facts: [
        ["Address", url.href],
        ["Size", "told by the host while it comes; at most 1 GB"],
        ["sha256", sha256 ?? "none in the link: you get whatever lies there now"],
      ],
      run,
    },
    undefined,
  );
  allow(opened.opened.sha256);
  if (remember) await rememberWorld(opened, address);
  return opened;
}

async function fromFile({ address, sha256 }: Foreign): Promise<Gathered> {
  const file = await askForFile(address, sha256);
  return gather(await found({ name: file.name, file }, sha256), { onProgress: () => undefined });
}

/** What was dropped or chosen: asks, then goes to its address. @throws AbortedError, and what opening a package throws */
export async function openDropped(dropped: Dropped, loop: GameLoop | undefined): Promise<void> {
  const gathered = await gather(await found(dropped), { onProgress: () => undefined });
  const { sha256, manifest } = gathered.opened;
  const { remember } = await askToOpen(
    {
      title: "Open a world from your device?",
      facts: [
        ["File", dropped.name],
        ["Says it is", manifest.title],
        ["Licence of its source", manifest.recordedFrom.licence],
        ["Size", `${(gathered.zip.size / 1e6).toFixed(1)} MB`],
        ["sha256", sha256],
      ],
      run: async () => undefined,
    },
    loop,
  );
  const address = dropped.name.replaceAll(":", "_"); // so that it can't be taken for an address of the net
  await rememberWorld(gathered, address, !remember);
  const here = location.hash;
  location.hash = formatHash({ foreign: { address, sha256 } }); // `main.ts` opens what the address says
  if (location.hash === here) location.reload();
}

async function rememberWorld({ opened, zip }: Gathered, address: string, once = false): Promise<void> {
  const { title } = opened.manifest;
  const kept = await keep({ sha256: opened.sha256, title, address, bytes: zip.size, once }, zip);
  if (!kept && !once) announce("This browser had no room to remember the world. It opens all the same.");
}

/** Checks every file that a session may need, and has them all in one zip. */
async function gather(found: Found, { signal, onProgress }: Run): Promise<Gathered> {
  const opened = await openPackage(found.source, {
    sha256: found.sha256,
    ...(signal ? { signal } : {}),
    onProgress: ({ loaded, total }) => onProgress(loaded, total),
  });
  if (found.zip) return { opened, zip: new Blob([found.zip]) };
  const paths = ["world.json", ...neededFiles(opened.manifest)];
  const files = await Promise.all(paths.map(async (path) => [path, await opened.read(path)] as const));
  return { opened, zip: new Blob([packZip(new Map(files))]) };
}

/** In memory: what is checked is what runs, whatever becomes of the file meanwhile. */
async function found({ name, file, folder }: Dropped, sha256?: string): Promise<Found> {
  if (folder) return { source: entrySource(folder), sha256 };
  if (!file) throw new MissingFileError(`${name}: expected a file or a folder, got neither.`);
  const zip = new Uint8Array(await file.arrayBuffer().catch((error: Error) => unreadable(name, error)));
  return { ...(await sourceOfZip(zip, name, sha256)), zip };
}

/** A dropped folder; only the files that the manifest names are looked at. */
function entrySource(folder: FileSystemDirectoryEntry): PackageSource {
  return {
    async read(path, { maxBytes, onBytes }) {
      const file = await new Promise<File>((resolve, reject) => {
        folder.getFile(path, {}, (entry) => (entry as FileSystemFileEntry).file(resolve, reject), reject);
      }).catch((error: Error) => unreadable(`${folder.name}/${path}`, error));
      if (file.size > maxBytes) {
        throw new FileMismatchError(
          `${path}: expected at most ${maxBytes} bytes, got ${file.size}. Export the world again.`,
        );
      }
      const contents = new Uint8Array(await file.arrayBuffer().catch((error: Error) => unreadable(path, error)));
      onBytes?.(contents.length);
      return contents;
    },
  };
}

function unreadable(name: string, { message }: Error): never {
  throw new MissingFileError(`${name}: expected a file that can be read, got none (${message}).`);
}

/** Without cookies, without saying where from. @param onProgress of a zip; of a folder's files the manifest knows the sum */
function createFetch(onProgress: (loaded: number, total: number) => void): FetchFile {
  return async (url, { signal, maxBytes, onBytes }) => {
    const response = await fetch(url, {
      ...(signal ? { signal } : {}),
      credentials: "omit",
      referrerPolicy: "no-referrer",
      cache: "no-cache",
    }).catch((error: Error) => {
      if (signal?.aborted) throw error;
      throw new MissingFileError(
        `${url.href}: expected an answer that this page may read, got none. Either ${url.host} can't be reached, or it doesn't let other pages read its files: it has to send the header Access-Control-Allow-Origin: *. You can also download it yourself and drop it on this page.`,
      );
    });
    checkAddress(response.url); // after redirects
    if (!response.ok) {
      await response.body?.cancel();
      throw new MissingFileError(`${url.href}: expected the file, got HTTP status ${response.status}.`);
    }
    const total = Number(response.headers.get("content-length"));
    let loaded = 0;
    const count = (bytes: number) => {
      loaded += bytes;
      if (onBytes) onBytes(bytes);
      else onProgress(loaded, total);
    };
    try {
      return await readBody(response, url.href, { maxBytes, onBytes: count });
    } catch (error) {
      if (error instanceof WorldloopError || signal?.aborted) throw error;
      throw new MissingFileError(
        `${url.href}: expected the whole file, got half of it (${(error as Error).message}). Try again.`,
      );
    }
  };
}
