/** What the formats hold, and what is refused. The columns are read as other tools do in tests/test_datasets.py. */
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { afterAll, beforeAll, expect, test } from "vitest";
import { contentsOf, tinyPlan, WORLD } from "../../tests/setup/collect";
import { openPlayer } from "../collect/player";
import { folderSource } from "../model/folder-source";
import type { Manifest } from "../model/manifest";
import { openPackage } from "../model/package";
import { readDataset, writeDataset } from "./dataset";
import { packEpisode, type StoredEpisode, unpackEpisode } from "./episode";
import { describe, describePictures } from "./feature-stats";
import { decodePicture } from "./picture";
import { checkVideo } from "./video";

let folder: string;
let manifest: Manifest;
let packed: Uint8Array[];
let episodes: StoredEpisode[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "worldloop-dataset-"));
  ({ manifest } = await openPackage(folderSource(WORLD)));
  const player = await openPlayer(await tinyPlan());
  packed = [await player.play(0), await player.play(1), await player.play(4)];
  await player.close();
  episodes = packed.map((bytes) => {
    const { rollout, pictures } = unpackEpisode("test", bytes);
    return { rollout, pictures: async () => pictures };
  });
});
afterAll(() => rm(folder, { recursive: true }));

test.each(["lerobot", "npz"] as const)(
  "%s: what is written is read, and writing that gives the same bytes",
  async (format) => {
    const [first, second] = [join(folder, format), join(folder, `${format}-again`)];
    await writeDataset(first, { format, manifest, episodes });
    const read = await readDataset(first, format);
    expect(read.map(({ rollout }) => rollout)).toEqual(episodes.map(({ rollout }) => rollout));
    await writeDataset(second, { format, manifest, episodes: read });
    expect(await contentsOf(second)).toEqual(await contentsOf(first));
  },
);

test("lerobot: rows are numbered through, and the pictures are those that were seen", async () => {
  const file = await asyncBufferFromFile(join(folder, "lerobot/data/chunk-000/file-000.parquet"));
  const rows = await parquetReadObjects({ file, utf8: false });
  expect(rows.map((row) => Number(row.index))).toEqual(Array.from({ length: 18 }, (_, i) => i));
  expect(rows.map((row) => Number(row.episode_index))).toEqual([0, 1, 2].flatMap((e) => new Array(6).fill(e)));
  const pictures = (await Promise.all(episodes.map((episode) => episode.pictures()))).flat();
  for (const [i, row] of rows.entries()) {
    const { bytes } = row["observation.image"] as { bytes: Uint8Array };
    expect(decodePicture(bytes, manifest.picture)).toEqual(decodePicture(pictures[i] as Uint8Array, manifest.picture));
  }
});

test("mp4: one H.264 video an episode, with every frame in it", async (context) => {
  if (spawnSync("ffmpeg", ["-version"]).error) return context.skip("no ffmpeg on the PATH: mp4 isn't tested");
  checkVideo(manifest.picture);
  await writeDataset(join(folder, "mp4"), { format: "mp4", manifest, episodes });
  const videos = join(folder, "mp4/videos/observation.image/chunk-000");
  expect(await readdir(videos)).toEqual(["file-000.mp4", "file-001.mp4", "file-002.mp4"]);
  const what = ["-v", "error", "-count_packets", "-of", "csv=p=0", "-show_entries"];
  const entries = "stream=codec_name,width,height,r_frame_rate,nb_read_packets";
  const probe = spawnSync("ffprobe", [...what, entries, join(videos, "file-001.mp4")], { encoding: "utf8" });
  expect(probe.stdout.trim()).toBe("h264,16,16,25/1,6");
  const read = await readDataset(join(folder, "mp4"), "mp4");
  await writeDataset(join(folder, "mp4-again"), { format: "mp4", manifest, episodes: read });
  expect(await contentsOf(join(folder, "mp4-again"))).toEqual(await contentsOf(join(folder, "mp4")));
  expect(() => checkVideo({ width: 15, height: 16 })).toThrow("expected pictures with even sides, got 15 x 16");
});

test("mp4 without ffmpeg is refused by name", () => {
  const path = process.env.PATH;
  process.env.PATH = folder;
  try {
    expect(() => checkVideo(manifest.picture)).toThrow("mp4: expected ffmpeg on the PATH, got none");
  } finally {
    process.env.PATH = path;
  }
});

test("a packed episode that is damaged, and a folder that is no dataset, are refused", async () => {
  const bytes = packed[0] as Uint8Array;
  const { rollout, pictures } = unpackEpisode("x", bytes);
  const cases: [Uint8Array, string][] = [
    [bytes.subarray(0, 3), "x: expected a packed episode, got 3 bytes"],
    [bytes.subarray(0, 60), "got a header that is cut short"],
    [bytes.subarray(0, -1), `got ${bytes.length - 1} bytes instead of ${bytes.length}`],
    [packEpisode({ rollout, pictures: pictures.slice(1) }), "got 5 pictures for 6 frames"],
    [Uint8Array.of(2, 0, 0, 0, 123, 33), "x: expected a JSON header"],
    [Uint8Array.of(2, 0, 0, 0, 123, 125), "x: expected the sizes of the pictures"],
  ];
  for (const [damaged, message] of cases) expect(() => unpackEpisode("x", damaged)).toThrow(message);
  await expect(readDataset(join(folder, "none"), "npz")).rejects.toThrow("expected a dataset written by collect");
  const plain = JSON.parse(await readFile(join(folder, "npz/rollouts/000001.json"), "utf8"));
  await writeFile(join(folder, "npz/rollouts/000001.json"), JSON.stringify({ ...plain, episode: undefined }));
  await expect(readDataset(join(folder, "npz"), "npz")).rejects.toThrow("expected the rollout of a collected episode");
});

test("statistics of pictures by counts are those of the values themselves", () => {
  const values = Array.from({ length: 300 }, (_, i) => (i * i * 7) % 256);
  const histogram = new Array<number>(256).fill(0);
  for (const value of values) histogram[value] = (histogram[value] as number) + 1;
  const counted = describePictures([histogram], 3);
  const exact = describe(
    values.map((value) => value / 255),
    1,
  );
  for (const key of ["min", "max", "mean", "std"] as const)
    expect(counted[key][0]).toBeCloseTo(exact[key][0] as number, 12);
  for (const key of ["q01", "q50", "q99"] as const) {
    expect(Math.abs((counted[key][0] as number) - (exact[key][0] as number))).toBeLessThan(2 / 255);
  }
  expect(counted.count).toEqual([3]);
});
