/**
 * Paths, keys and features of a LeRobot dataset v3.0, in one place for writer and reader. PNG bytes lie in the data
 * files, or each episode is a video of its own. Source: lerobot 0.4, `lerobot/datasets/utils.py`.
 */
import type { Manifest } from "../model/manifest";
import type { Columns } from "./parquet";

export const VERSION = "v3.0";
export const PICTURE = "observation.image";
export const CHUNK_SIZE = 1000; // files in one folder
/** Bytes of pictures after which a new data file begins. */
export const DATA_FILE_BYTES = 100e6;

export const INFO = "meta/info.json";
export const STATS = "meta/stats.json";
export const TASKS = "meta/tasks.parquet";
export const EPISODES = "meta/episodes/chunk-000/file-000.parquet";
const DATA = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet";
const VIDEO = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4";

/** Which file of which chunk the n-th file is. */
export const placeOf = (n: number) => ({ chunk: Math.floor(n / CHUNK_SIZE), file: n % CHUNK_SIZE });

export const dataPath = (n: number): string => fill(DATA, n);
export const videoPath = (n: number): string => fill(VIDEO, n).replace("{video_key}", PICTURE);

function fill(template: string, n: number): string {
  const { chunk, file } = placeOf(n);
  const pad = (index: number) => String(index).padStart(3, "0");
  return template.replace("{chunk_index:03d}", pad(chunk)).replace("{file_index:03d}", pad(file));
}

/** Columns that number and time the rows, in LeRobot's order. */
const BOOKKEEPING = {
  timestamp: "float32",
  frame_index: "int64",
  episode_index: "int64",
  index: "int64",
  task_index: "int64",
} as const satisfies Columns;

/** Columns of the data files. A feature of one number is no list there. */
export function dataColumns({ actions }: Manifest, video: boolean): Columns {
  return {
    ...(video ? {} : { [PICTURE]: "image" as const }),
    action: actions.length === 1 ? "float32" : "float32[]",
    ...BOOKKEEPING,
  };
}

/** `features` of info.json. */
function featuresOf({ picture, actions, frameRate }: Manifest, video: boolean) {
  const single = (dtype: string) => ({ dtype, shape: [1], names: null });
  const videoInfo = {
    "video.height": picture.height,
    "video.width": picture.width,
    "video.codec": "h264",
    "video.pix_fmt": "yuv420p",
    "video.is_depth_map": false,
    "video.fps": frameRate,
    "video.channels": 3,
    has_audio: false,
  };
  return {
    [PICTURE]: {
      dtype: video ? "video" : "image",
      shape: [picture.height, picture.width, 3],
      names: ["height", "width", "channels"],
      ...(video ? { info: videoInfo } : {}),
    },
    action: { dtype: "float32", shape: [actions.length], names: actions.map(({ name }) => name) },
    ...Object.fromEntries(Object.entries(BOOKKEEPING).map(([name, dtype]) => [name, single(dtype)])),
  };
}

/** info.json. */
export function infoOf(
  manifest: Manifest,
  video: boolean,
  totals: { episodes: number; frames: number; tasks: number },
) {
  return {
    codebase_version: VERSION,
    robot_type: manifest.name,
    total_episodes: totals.episodes,
    total_frames: totals.frames,
    total_tasks: totals.tasks,
    chunks_size: CHUNK_SIZE,
    data_files_size_in_mb: DATA_FILE_BYTES / 1e6,
    video_files_size_in_mb: 200,
    fps: manifest.frameRate,
    splits: { train: `0:${totals.episodes}` },
    data_path: DATA,
    video_path: video ? VIDEO : null,
    features: featuresOf(manifest, video),
  };
}

/** Lets the `datasets` library decode the pictures by itself. */
export function huggingface(manifest: Manifest, video: boolean): string {
  const value = (dtype: string) => ({ dtype, _type: "Value" });
  const action = value("float32");
  const features = {
    ...(video ? {} : { [PICTURE]: { _type: "Image" } }),
    action:
      manifest.actions.length === 1 ? action : { feature: action, length: manifest.actions.length, _type: "List" },
    ...Object.fromEntries(Object.entries(BOOKKEEPING).map(([name, dtype]) => [name, value(dtype)])),
  };
  return JSON.stringify({ info: { features } });
}

/** Without it the text of a task, which is the table's index in pandas, would read 0. */
export function pandasMetadata(): string {
  const column = (name: string, pandas: string, numpy: string) => {
    return { name, field_name: name, pandas_type: pandas, numpy_type: numpy, metadata: null };
  };
  return JSON.stringify({
    index_columns: ["task"],
    column_indexes: [{ ...column("", "unicode", "object"), name: null, field_name: null }],
    columns: [column("task_index", "int64", "int64"), column("task", "unicode", "object")],
    creator: { library: "worldloop", version: "1" },
    pandas_version: "2.0.0",
  });
}
