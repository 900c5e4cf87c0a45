/** One episode as `training.data.record` writes it, so that it is training data: an .npz of three arrays. */
import { writeFile } from "node:fs/promises";
import { unzipSync, zipSync } from "fflate";
import { RecordingError } from "../errors";
import { concat } from "../model/bytes";
import type { Manifest } from "../model/manifest";
import { LONGEST_RECORD } from "../model/provenance";
import { formatProvenance, PROVENANCE_FILE } from "./dataset-provenance";
import { actionsOf, type Episode, type EpisodeRollout, lengthOf } from "./episode";
import { npyHeader } from "./npy";
import { decodePicture } from "./picture";
import { provenanceOf } from "./rollout-file";

/** Training looks for train-*.npz. The episode's own seed keeps files of several runs apart. */
export const npzName = ({ episode, seed }: EpisodeRollout): string =>
  `train-${String(episode.number).padStart(6, "0")}-${seed}.npz`;

/** `frames` uint8 [T, H, W, 3], `actions` float32 [T, A], `starts` bool [T], and the record beside them. The same episode gives the same bytes. */
export async function writeNpz(path: string, { rollout, pictures }: Episode, manifest: Manifest): Promise<void> {
  const { picture, actions } = manifest;
  const length = lengthOf(rollout);
  const rows = pictures.map((png) => decodePicture(png, picture));
  const values = actionsOf(rollout, actions);
  const files = {
    "frames.npy": concat([npyHeader("uint8", [length, picture.height, picture.width, 3]), ...rows]),
    "actions.npy": concat([npyHeader("float32", [length, actions.length]), new Uint8Array(values.buffer)]),
    "starts.npy": concat([npyHeader("bool", [length]), Uint8Array.from({ length }, (_, i) => (i === 0 ? 1 : 0))]),
    [PROVENANCE_FILE]: new TextEncoder().encode(formatProvenance(await provenanceOf(rollout))),
  };
  await writeFile(path, zipSync(files, { level: 0, mtime: new Date(1980, 0, 1) }));
}

/** The record in an .npz, as JSON; null when it has none. @throws RecordingError when it is damaged */
export function readNpzProvenance(bytes: Uint8Array): string | null {
  const small = ({ name, originalSize }: { name: string; originalSize: number }) =>
    name === PROVENANCE_FILE && originalSize <= LONGEST_RECORD;
  try {
    const found = unzipSync(bytes, { filter: small })[PROVENANCE_FILE];
    return found ? new TextDecoder().decode(found) : null;
  } catch (error) {
    throw new RecordingError(
      `expected a whole .npz file, got one that can't be unpacked (${(error as Error).message})`,
    );
  }
}
