/**
 * Writes a LeRobot dataset v3.0: data files, then the metadata that finds episodes in them. One task, one camera.
 * Layout and keys: see `lerobot-layout.ts`.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Manifest } from "../model/manifest";
import { videoTags } from "./dataset-provenance";
import { actionsOf, type EpisodeRollout, lengthOf, type StoredEpisode } from "./episode";
import { describe, describePictures, type FeatureStats, STATISTICS } from "./feature-stats";
import * as layout from "./lerobot-layout";
import { type Columns, createTable, type Rows, type Table } from "./parquet";
import { emptyHistogram } from "./picture";
import { readStored } from "./stored-file";
import { encodeVideo } from "./video";

/**
 * @param folder is filled; new and empty
 * @param episodes in the order that they get their numbers in
 * @param onEpisode called after each
 */
export async function writeLerobot(
  folder: string,
  { manifest, episodes, video }: { manifest: Manifest; episodes: readonly StoredEpisode[]; video: boolean },
  onEpisode?: () => void,
): Promise<void> {
  const tasks = [...new Set(episodes.map(({ rollout }) => rollout.episode.task))];
  const data = createDataFiles(folder, manifest, video);
  const entries: EpisodeEntry[] = [];
  let from = 0;
  for (const [number, stored] of episodes.entries()) {
    const { rollout } = stored;
    const rows = rowsOf(rollout, { manifest, number, from, task: tasks.indexOf(rollout.episode.task) });
    let pictures: readonly Uint8Array[] = [];
    if (video) await storeVideo(stored, join(folder, layout.videoPath(number)), manifest);
    else pictures = await stored.pictures();
    const file = await data.write(rows, pictures);
    entries.push({ number, rollout, from, file, stats: statsOf(rows, manifest, rollout.episode.histogram) });
    from += lengthOf(rollout);
    onEpisode?.();
  }
  data.finish();
  await writeMeta(folder, { manifest, video, tasks, entries });
}

/** An episode in the table of episodes. */
interface EpisodeEntry {
  readonly number: number;
  readonly rollout: EpisodeRollout;
  /** Its first row in the whole dataset. */
  readonly from: number;
  /** Its data file. */
  readonly file: number;
  readonly stats: Readonly<Record<string, FeatureStats>>;
}

/** Takes a video as it is, or makes it. */
async function storeVideo(stored: StoredEpisode, path: string, manifest: Manifest): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  if (stored.file) await writeFile(path, await readStored(stored.file));
  else {
    const options = { frameRate: manifest.frameRate, tags: await videoTags(stored.rollout) };
    await encodeVideo(path, await stored.pictures(), options);
  }
}

interface RowOptions {
  readonly manifest: Manifest;
  readonly number: number;
  readonly from: number;
  readonly task: number;
}

/** All columns of one episode but the pictures. */
function rowsOf(rollout: EpisodeRollout, { manifest, number, from, task }: RowOptions): Rows {
  const length = lengthOf(rollout);
  const values = [...actionsOf(rollout, manifest.actions)];
  const size = manifest.actions.length;
  const each = <T>(make: (frame: number) => T) => Array.from({ length }, (_, frame) => make(frame));
  return {
    action: size === 1 ? values : each((frame) => values.slice(frame * size, (frame + 1) * size)),
    timestamp: each((frame) => Math.fround(frame / manifest.frameRate)),
    frame_index: each(BigInt),
    episode_index: each(() => BigInt(number)),
    index: each((frame) => BigInt(from + frame)),
    task_index: each(() => BigInt(task)),
  };
}

/** A series of data files; a new one begins when the last is large enough. Each episode is a row group. */
function createDataFiles(folder: string, manifest: Manifest, video: boolean) {
  let table: Table | null = null;
  let [file, bytes] = [-1, 0];
  const finish = () => {
    table?.finish();
    table = null;
  };
  return {
    finish,
    /** @returns the number of the file that it went to */
    async write(rows: Rows, pictures: readonly Uint8Array[]): Promise<number> {
      if (bytes > layout.DATA_FILE_BYTES) finish();
      if (!table) {
        [file, bytes] = [file + 1, 0];
        const path = join(folder, layout.dataPath(file));
        await mkdir(dirname(path), { recursive: true });
        const metadata = { huggingface: layout.huggingface(manifest, video) };
        table = createTable(path, layout.dataColumns(manifest, video), metadata);
      }
      table.write({ ...rows, [layout.PICTURE]: pictures.map((png) => ({ bytes: png, path: null })) });
      bytes += pictures.reduce((sum, png) => sum + png.length, 0);
      return file;
    },
  };
}

function statsOf(
  rows: Rows,
  manifest: Manifest,
  histogram: readonly (readonly number[])[],
): Record<string, FeatureStats> {
  const length = rows.timestamp?.length ?? 0;
  const numbers = (name: string) => (rows[name] ?? []).flat().map(Number);
  return {
    [layout.PICTURE]: describePictures(histogram, length),
    action: describe(numbers("action"), manifest.actions.length),
    ...Object.fromEntries(
      Object.keys(rows)
        .filter((name) => name !== "action")
        .map((name) => [name, describe(numbers(name), 1)]),
    ),
  };
}

interface Meta {
  readonly manifest: Manifest;
  readonly video: boolean;
  readonly tasks: readonly string[];
  readonly entries: readonly EpisodeEntry[];
}

async function writeMeta(folder: string, { manifest, video, tasks, entries }: Meta): Promise<void> {
  await mkdir(dirname(join(folder, layout.EPISODES)), { recursive: true });
  const writeJson = (path: string, value: unknown) =>
    writeFile(join(folder, path), `${JSON.stringify(value, null, 4)}\n`);

  const frames = entries.reduce((sum, { rollout }) => sum + lengthOf(rollout), 0);
  const totals = { episodes: entries.length, frames, tasks: tasks.length };
  await writeJson(layout.INFO, layout.infoOf(manifest, video, totals));
  const total = Object.entries(totalStats({ manifest, tasks, entries })).map(([key, stats]) => [
    key,
    shaped(key, stats),
  ]);
  await writeJson(layout.STATS, Object.fromEntries(total));

  const taskTable = createTable(
    join(folder, layout.TASKS),
    { task_index: "int64", task: "string" },
    { pandas: layout.pandasMetadata() },
  );
  taskTable.write({ task_index: tasks.map((_, i) => BigInt(i)), task: tasks });
  taskTable.finish();

  const table = createTable(join(folder, layout.EPISODES), episodeColumns(entries, video));
  const rows = entries.map((entry) => episodeRow(entry, manifest, video));
  table.write(Object.fromEntries(Object.keys(rows[0] ?? {}).map((key) => [key, rows.map((row) => row[key])])));
  table.finish();
}

/** Of all rows together, exactly: as if the dataset were one episode. */
function totalStats({ manifest, tasks, entries }: Omit<Meta, "video">): Record<string, FeatureStats> {
  const rows: Record<string, unknown[]> = {};
  const histogram = emptyHistogram();
  for (const { rollout, number, from } of entries) {
    const part = rowsOf(rollout, { manifest, number, from, task: tasks.indexOf(rollout.episode.task) });
    for (const [name, values] of Object.entries(part)) {
      rows[name] ??= [];
      for (const value of values) rows[name]?.push(value);
    }
    for (const [channel, counts] of rollout.episode.histogram.entries()) {
      for (const [value, count] of counts.entries()) {
        const sum = histogram[channel] as number[];
        sum[value] = (sum[value] as number) + count;
      }
    }
  }
  return statsOf(rows, manifest, histogram);
}

/** LeRobot's pictures are [3, H, W], their statistics [3, 1, 1]. */
function shaped(feature: string, stats: FeatureStats): Record<string, unknown> {
  if (feature !== layout.PICTURE) return { ...stats };
  return Object.fromEntries(
    STATISTICS.map((key) => [key, key === "count" ? stats.count : stats[key].map((value) => [[value]])]),
  );
}

function episodeColumns(entries: readonly EpisodeEntry[], video: boolean): Columns {
  const stats = Object.keys(entries[0]?.stats ?? {}).flatMap((feature) =>
    STATISTICS.map((key) => [
      `stats/${feature}/${key}`,
      feature === layout.PICTURE && key !== "count" ? "float64[][][]" : "float64[]",
    ]),
  );
  const videoColumns = ["chunk_index", "file_index", "from_timestamp", "to_timestamp"].map((key) => [
    `videos/${layout.PICTURE}/${key}`,
    key.endsWith("index") ? "int64" : "float64",
  ]);
  return {
    episode_index: "int64",
    tasks: "string[]",
    length: "int64",
    "data/chunk_index": "int64",
    "data/file_index": "int64",
    dataset_from_index: "int64",
    dataset_to_index: "int64",
    ...Object.fromEntries(video ? videoColumns : []),
    ...Object.fromEntries(stats),
    "meta/episodes/chunk_index": "int64",
    "meta/episodes/file_index": "int64",
  };
}

function episodeRow(entry: EpisodeEntry, { frameRate }: Manifest, video: boolean): Record<string, unknown> {
  const { number, rollout, from, file, stats } = entry;
  const length = lengthOf(rollout);
  const data = layout.placeOf(file);
  const videos = layout.placeOf(number);
  const videoPlace = {
    [`videos/${layout.PICTURE}/chunk_index`]: BigInt(videos.chunk),
    [`videos/${layout.PICTURE}/file_index`]: BigInt(videos.file),
    [`videos/${layout.PICTURE}/from_timestamp`]: 0,
    [`videos/${layout.PICTURE}/to_timestamp`]: length / frameRate,
  };
  return {
    episode_index: BigInt(number),
    tasks: [rollout.episode.task],
    length: BigInt(length),
    "data/chunk_index": BigInt(data.chunk),
    "data/file_index": BigInt(data.file),
    dataset_from_index: BigInt(from),
    dataset_to_index: BigInt(from + length),
    ...(video ? videoPlace : {}),
    ...Object.fromEntries(
      Object.entries(stats).flatMap(([feature, value]) =>
        Object.entries(shaped(feature, value)).map(([key, numbers]) => [`stats/${feature}/${key}`, numbers]),
      ),
    ),
    "meta/episodes/chunk_index": 0n,
    "meta/episodes/file_index": 0n,
  };
}
