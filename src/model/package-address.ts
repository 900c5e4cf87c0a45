/**
 * Worlds that lie elsewhere: which addresses may be asked, and what comes of one. An address names a zip, or a folder (it
 * ends with "/" or "/world.json") as any static host serves it. Who fetches, and asks the person first, is the caller's.
 */
import { AddressError } from "../errors";
import type { Bytes } from "./bytes";
import { sha256Hex } from "./hash";
import type { PackageSource, ReadOptions } from "./package";
import { isThisMachine } from "./this-machine";
import { MAX_ZIP_BYTES } from "./zip-directory";
import { zipSource } from "./zip-source";

/** One file from elsewhere. @throws AddressError, MissingFileError, FileMismatchError */
export type FetchFile = (url: URL, options: ReadOptions) => Promise<Bytes>;

/** Plain http reaches this machine only. @throws AddressError */
export function checkAddress(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const expected = `address: expected https://… (or http://localhost), got ${JSON.stringify(shorten(text))}`;
  if (!url) throw new AddressError(`${expected}. Give the whole address of a zip or of a world's folder.`);
  if (url.username || url.password) throw new AddressError(`${expected} with a name or password in it. Leave it out.`);
  const local = url.protocol === "http:" && isThisMachine(url.hostname);
  if (url.protocol !== "https:" && !local) {
    throw new AddressError(
      `${expected}. On the way, anyone could change what comes over ${url.protocol.slice(0, -1)}.`,
    );
  }
  url.hash = "";
  return url;
}

const isFolder = ({ pathname }: URL): boolean => /\/(world\.json)?$/.test(pathname);

/** The last part of an address, to name what it holds. */
export const nameOf = (url: URL): string =>
  url.pathname
    .split("/")
    .filter((part) => part !== "" && part !== "world.json")
    .at(-1) ?? url.hostname;

export interface Found {
  readonly source: PackageSource;
  /** To be asked of `openPackage`; undefined when the zip itself has been found to be the one that is wanted. */
  readonly sha256: string | undefined;
  /** When it is one, as it came. */
  readonly zip?: Bytes;
}

/**
 * @param wanted sha256 of the package, or of the zip itself, for whoever has just used `sha256sum`
 * @throws AddressError, ArchiveError, PathError, MissingFileError, FileMismatchError when it is too long
 */
export async function sourceAt(
  url: URL,
  fetchFile: FetchFile,
  { wanted, ...options }: Pick<ReadOptions, "signal" | "onBytes"> & { readonly wanted?: string | undefined },
): Promise<Found> {
  if (isFolder(url)) {
    const folder = new URL(".", url);
    return { source: { read: (path, asked) => fetchFile(new URL(path, folder), asked) }, sha256: wanted };
  }
  const zip = await fetchFile(url, { ...options, maxBytes: MAX_ZIP_BYTES });
  return { ...(await sourceOfZip(zip, nameOf(url), wanted)), zip };
}

/** @throws ArchiveError, PathError, MissingFileError */
export async function sourceOfZip(zip: Bytes, where: string, wanted?: string): Promise<Omit<Found, "zip">> {
  const itself = wanted !== undefined && (await sha256Hex(zip)) === wanted;
  return { source: await zipSource(new Blob([zip]), where), sha256: itself ? undefined : wanted };
}

const shorten = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text);
