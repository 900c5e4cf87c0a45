/** `worldloop pack`: a world as one zip, to be hosted anywhere. What is in it: see `model/pack.ts`. */
import { existsSync } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { inFolderOf, onDisk, unwritable } from "../dataset/out-folder";
import { findWorld } from "../model/node-runtime";
import { placeSource } from "../model/node-source";
import { packZip, readWhole } from "../model/pack";
import { formatHash } from "../record/share-link";
import { describe } from "./describe";

/** As typed. */
export interface PackOptions {
  readonly world: string;
  readonly out?: string;
  readonly force?: boolean;
}

/** @returns the lines to print. @throws a named error, having written nothing */
export async function pack(options: PackOptions, signal: AbortSignal): Promise<string> {
  const place = findWorld(options.world);
  const out = options.out ?? `${basename(place, ".zip")}.zip`;
  if (existsSync(out) && !options.force) {
    throw unwritable(out, "a file that is there", "choose another or add --force");
  }
  const { opened, files } = await readWhole(await placeSource(place), { signal });
  const zip = packZip(files);
  await onDisk(out, "nothing was kept: make room, or choose another", () =>
    inFolderOf(resolve(out), async (file) => {
      const partial = `${file}.partial-${process.pid}`;
      try {
        await writeFile(partial, zip);
        await rename(partial, file);
      } finally {
        await rm(partial, { force: true });
      }
    }),
  );
  const { sha256, manifest } = opened;
  const hash = formatHash({ foreign: { address: `https://YOUR.HOST/${basename(out)}`, sha256 } }).replaceAll(
    "%2F",
    "/",
  );
  return [
    `${out}: ${describe(manifest, zip.length)}`,
    `sha256 ${sha256} (of the world: its world.json, which holds the hash of every other file)`,
    "Put it on any host that sends Access-Control-Allow-Origin, then share the page's address with",
    hash.replaceAll("%3A", ":"),
  ].join("\n");
}
