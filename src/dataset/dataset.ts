/**
 * A dataset of collected episodes in one of three formats, and the rollout of each episode beside it: `worldloop verify
 * DIR/rollouts/000012.json` plays episode 12 again,
 * `worldloop verify DIR` all of them. `lerobot` is lossless, `mp4` is LeRobot with videos, `npz` is
 * training data.
 */
import { mkdir, readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatasetError } from "../errors";
import type { Manifest } from "../model/manifest";
import { datasetProvenance, formatProvenance, PROVENANCE_FILE } from "./dataset-provenance";
import { asEpisode, type EpisodeRollout, type StoredEpisode } from "./episode";
import { writeLerobot } from "./lerobot";
import { videoPath } from "./lerobot-layout";
import { openPictures } from "./lerobot-reader";
import { npzName, writeNpz } from "./npz";
import { parseRollout } from "./rollout-file";
import { readStored } from "./stored-file";

export const FORMATS = ["lerobot", "npz", "mp4"] as const;
export type Format = (typeof FORMATS)[number];

/** Folder of the episodes' rollouts. */
export const ROLLOUTS = "rollouts";

export interface Dataset {
  readonly format: Format;
  readonly manifest: Manifest;
  /** At least one, in the order that they are numbered in. */
  readonly episodes: readonly StoredEpisode[];
}

/**
 * @param folder is filled; new and empty
 * @throws DatasetError, and the file system's errors
 */
export async function writeDataset(folder: string, dataset: Dataset, onEpisode?: () => void): Promise<void> {
  const { format, manifest, episodes } = dataset;
  await mkdir(join(folder, ROLLOUTS), { recursive: true });
  for (const { rollout } of episodes) {
    const name = `${String(rollout.episode.number).padStart(6, "0")}.json`;
    await writeFile(join(folder, ROLLOUTS, name), `${JSON.stringify(rollout)}\n`);
  }
  const provenance = await datasetProvenance(episodes.map(({ rollout }) => rollout));
  await writeFile(join(folder, PROVENANCE_FILE), formatProvenance(provenance));
  if (format !== "npz") {
    await writeLerobot(folder, { manifest, episodes, video: format === "mp4" }, onEpisode);
    return;
  }
  for (const { rollout, file, pictures } of episodes) {
    const path = join(folder, npzName(rollout));
    if (file) await writeFile(path, await readStored(file));
    else await writeNpz(path, { rollout, pictures: await pictures() }, manifest);
    onEpisode?.();
  }
}

/** The inverse of `writeDataset`. @throws DatasetError, RecordingError when a part is missing or damaged */
export async function readDataset(folder: string, format: Format): Promise<StoredEpisode[]> {
  const rollouts: EpisodeRollout[] = [];
  for (const path of await listRollouts(folder)) {
    rollouts.push(asEpisode(path, parseRollout(path, new TextDecoder().decode(await readStored(path)))));
  }
  const picturesOf = format === "lerobot" ? await openPictures(folder).catch(missing(folder)) : notKept;
  return rollouts.map((rollout, index) => ({
    rollout,
    pictures: () => picturesOf(index).catch(missing(folder)),
    ...(format === "npz" ? { file: join(folder, npzName(rollout)) } : {}),
    ...(format === "mp4" ? { file: join(folder, videoPath(index)) } : {}),
  }));
}

/** Paths of the rollouts, in the order of their episodes. @throws DatasetError when it is no dataset */
export async function listRollouts(folder: string): Promise<string[]> {
  const names = await readdir(join(folder, ROLLOUTS)).catch(missing(folder));
  return names
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => join(folder, ROLLOUTS, name));
}

const missing = (folder: string) => (error: Error) => {
  throw new DatasetError(`${folder}: expected a dataset written by collect, got ${error.message}`, { cause: error });
};

async function notKept(): Promise<never> {
  throw new DatasetError("expected pictures without loss, got a format that keeps none; collect as lerobot");
}
