/** A package on this machine: a folder, or a zip of one. For Node only. */
import { readFile, stat } from "node:fs/promises";
import { basename } from "node:path";
import { ArchiveError } from "../errors";
import { folderSource } from "./folder-source";
import type { PackageSource } from "./package";
import { type Found, sourceOfZip } from "./package-address";
import { MAX_ZIP_BYTES } from "./zip-directory";

/** @param place as `findWorld` gives it. @throws what reading a zip throws */
export async function placeSource(place: string): Promise<PackageSource> {
  return (await foundAt(place)).source;
}

/** @param wanted as in `sourceAt`. @throws ArchiveError, PathError, MissingFileError */
export async function foundAt(place: string, wanted?: string): Promise<Omit<Found, "zip">> {
  const found = await stat(place);
  if (found.isDirectory()) return { source: folderSource(place), sha256: wanted };
  const { size } = found;
  if (size > MAX_ZIP_BYTES) throw new ArchiveError(`${place}: expected at most ${MAX_ZIP_BYTES} bytes, got ${size}.`);
  return sourceOfZip(new Uint8Array(await readFile(place)), basename(place), wanted);
}
