/** Gets the pictures of an episode back out of a LeRobot dataset's data files: what `merge` joins. */
import { join } from "node:path";
import { asyncBufferFromFile, parquetReadObjects } from "hyparquet";
import { CHUNK_SIZE, dataPath, EPISODES, PICTURE } from "./lerobot-layout";

/** @returns gives the PNG files of the n-th episode. @throws the file system's errors */
export async function openPictures(folder: string): Promise<(episode: number) => Promise<Uint8Array[]>> {
  const columns = ["data/chunk_index", "data/file_index", "dataset_from_index", "dataset_to_index"];
  const rows = await parquetReadObjects({ file: await asyncBufferFromFile(join(folder, EPISODES)), columns });
  const episodes = rows.map((row) => ({
    file: Number(row["data/chunk_index"]) * CHUNK_SIZE + Number(row["data/file_index"]),
    from: Number(row.dataset_from_index),
    to: Number(row.dataset_to_index),
  }));
  return async (number) => {
    const episode = episodes[number];
    if (!episode) throw new RangeError(`${folder}: expected ${number + 1} or more episodes, got ${episodes.length}`);
    const first = episodes.find(({ file }) => file === episode.file)?.from ?? 0; // row 0 of this file
    const read = await parquetReadObjects({
      file: await asyncBufferFromFile(join(folder, dataPath(episode.file))),
      columns: [PICTURE],
      rowStart: episode.from - first,
      rowEnd: episode.to - first,
      utf8: false, // bytes stay bytes
    });
    return read.map((row) => (row[PICTURE] as { bytes: Uint8Array }).bytes);
  };
}
