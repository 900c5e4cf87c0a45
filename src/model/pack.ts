/**
 * A package as one zip. The same package gives the same bytes, whoever packs it and when: files stand in the order of their
 * names behind world.json, have one date, and are stored, not deflated (weights hardly shrink, and a compressor may change).
 */
import { zipSync } from "fflate";
import { AbortedError } from "../errors";
import type { Bytes } from "./bytes";
import { type OpenPackageOptions, openPackage, type PackageSource, type WorldPackage } from "./package";

/** Path: contents, of world.json and every file of its list. */
export type PackageFiles = ReadonlyMap<string, Bytes>;

/** Reads and checks a whole package. @throws what `openPackage` throws */
export async function readWhole(
  source: PackageSource,
  options: Omit<OpenPackageOptions, "start"> = {},
): Promise<{ readonly opened: WorldPackage; readonly files: PackageFiles }> {
  const opened = await openPackage(source, options);
  const files = new Map<string, Bytes>();
  for (const path of ["world.json", ...Object.keys(opened.manifest.files).sort()]) {
    if (options.signal?.aborted) throw new AbortedError("Reading the world was called off.");
    files.set(path, await opened.read(path));
  }
  return { opened, files };
}

/** @param files world.json first */
export function packZip(files: PackageFiles): Bytes {
  const mtime = new Date(1980, 0, 1); // the first day that a zip can name, in local time, as a zip means it
  return zipSync(Object.fromEntries(files), { level: 0, mtime });
}
