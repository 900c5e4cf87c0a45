/**
 * `worldloop add`: brings a world from elsewhere to where the page, the other commands and Python find it. It is complete
 * and checked before it is seen there; until then it lies in a folder that nobody takes for a world.
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { AbortedError, OutputError, PathError, WorldloopError } from "../errors";
import { findWorld, WORLDS_FOLDER } from "../model/node-runtime";
import { foundAt, placeSource } from "../model/node-source";
import { type PackageFiles, readWhole } from "../model/pack";
import { openPackage } from "../model/package";
import { checkAddress, sourceAt } from "../model/package-address";
import { describe } from "./describe";
import { createDownload } from "./download";
import { parseSha256 } from "./input";
import type { ProgressBar } from "./progress-bar";

/** As typed. */
export interface AddOptions {
  readonly sha256?: string;
  readonly name?: string;
  readonly force?: boolean;
}

interface Surroundings {
  readonly signal: AbortSignal;
  /** In MB. */
  readonly progress: ProgressBar;
  readonly worldsFolder?: string;
}

/** @returns the lines to print. @throws a named error, having added nothing */
export async function add(
  where: string,
  options: AddOptions,
  { signal, progress, worldsFolder = WORLDS_FOLDER }: Surroundings,
): Promise<string> {
  const wanted = options.sha256 === undefined ? undefined : parseSha256("--sha256", options.sha256);
  if (options.name !== undefined) checkName(options.name);
  const show = (loaded: number, of: number) => {
    if (of > 0) progress.show(megabytes(loaded), megabytes(of));
  };
  try {
    const isAddress = /^[a-z][a-z0-9+.-]+:/i.test(where) && !existsSync(where);
    const found = isAddress
      ? await sourceAt(checkAddress(where), createDownload({ onProgress: show }), { signal, wanted })
      : await foundAt(findWorld(where), wanted);
    const { opened, files } = await readWhole(found.source, { signal, sha256: found.sha256 });
    progress.end();
    const name = options.name ?? opened.manifest.name;
    const folder = join(worldsFolder, name);
    const bytes = [...files.values()].reduce((sum, { length }) => sum + length, 0);
    const said = [describe(opened.manifest, bytes), `sha256 ${opened.sha256}`];
    if (await isThere(folder, opened.sha256)) return [`${name} is there already: ${said[0]}`, said[1]].join("\n");
    if (existsSync(folder) && !options.force) {
      throw new OutputError(
        `${name}: expected a new name, got that of another world in ${worldsFolder}; add --name for another, or --force to replace it`,
      );
    }
    await placeFiles(folder, files, signal);
    const pinned =
      wanted === undefined && isAddress
        ? [`Nobody vouched for it. To get exactly this again: --sha256 ${opened.sha256}`]
        : [];
    return [`added ${name}: ${said[0]}`, said[1], ...pinned].join("\n");
  } finally {
    progress.end();
  }
}

const megabytes = (bytes: number): number => Math.round(bytes / 1e5) / 10;

function checkName(name: string): void {
  if (/^[a-z0-9][a-z0-9-]{0,63}$/.test(name)) return;
  throw new PathError(
    `--name: expected small letters, digits and dashes such as my-world, got ${JSON.stringify(name)}`,
  );
}

/** Whether this very package lies there, whole. */
async function isThere(folder: string, sha256: string): Promise<boolean> {
  if (!existsSync(join(folder, "world.json"))) return false;
  return openPackage(await placeSource(folder), { sha256 }).then(
    () => true,
    (error: Error) => {
      if (error instanceof WorldloopError) return false;
      throw error;
    },
  );
}

/** Longer than any `add` takes to write. */
const FORGOTTEN_MS = 3_600_000;

/** All of them or none. @throws OutputError */
async function placeFiles(folder: string, files: PackageFiles, signal: AbortSignal): Promise<void> {
  const worlds = dirname(folder);
  try {
    await mkdir(worlds, { recursive: true });
    await sweep(worlds);
    const adding = await mkdtemp(join(worlds, ".adding-"));
    try {
      const [fresh, old] = [join(adding, "new"), join(adding, "old")];
      for (const [path, contents] of files) {
        if (signal.aborted) throw new AbortedError("interrupted");
        await mkdir(dirname(join(fresh, path)), { recursive: true });
        await writeFile(join(fresh, path), contents, { flag: "wx" });
      }
      const replaces = existsSync(folder);
      if (replaces) await rename(folder, old);
      await rename(fresh, folder).catch(async (error) => {
        if (replaces) await rename(old, folder);
        throw error;
      });
    } finally {
      await rm(adding, { recursive: true, force: true });
    }
  } catch (error) {
    const { code, syscall, message } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    const got = code === "ENOSPC" ? "a full disk" : message;
    throw new OutputError(`${folder}: expected a place to write to, with room, got ${got}; nothing was kept`, {
      cause: error,
    });
  }
}

/** What a killed `add` left behind; but for a world that it had taken away and not yet replaced. */
async function sweep(worlds: string): Promise<void> {
  for (const name of await readdir(worlds)) {
    if (!name.startsWith(".adding-") || existsSync(join(worlds, name, "old"))) continue;
    const { mtimeMs } = await stat(join(worlds, name));
    if (Date.now() - mtimeMs > FORGOTTEN_MS) await rm(join(worlds, name), { recursive: true, force: true });
  }
}
