/** Pictures to an mp4 (H.264), by the ffmpeg on the PATH. Smaller than PNG and not exact. */
import { spawn, spawnSync } from "node:child_process";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { DatasetError, WorldloopError } from "../errors";
import type { PictureSize } from "./picture";

const KEY_FRAME_EVERY = 2; // pictures, as LeRobot does: training reads frames in any order
export const QUALITY = 18; // H.264's constant rate factor; by most accounts without visible loss

/** @param instead what else can be done. @throws DatasetError when ffmpeg isn't there, or the picture's sides aren't even */
export function checkVideo({ width, height }: PictureSize, instead = "choose --format lerobot"): void {
  const { error } = spawnSync("ffmpeg", ["-version"], { stdio: "ignore" });
  if (error) {
    throw new DatasetError(`mp4: expected ffmpeg on the PATH, got none (${error.message}); install it or ${instead}`);
  }
  if (width % 2 || height % 2) {
    throw new DatasetError(`mp4: expected pictures with even sides, got ${width} x ${height}; ${instead}`);
  }
}

export interface VideoOptions {
  readonly frameRate: number;
  /** Of the file, by name. */
  readonly tags?: Readonly<Record<string, string>>;
  /** How many pixels wide and high a pixel becomes; absent: 1. */
  readonly enlarge?: number;
  /** A WebVTT file that becomes a text track (`mov_text`). */
  readonly captions?: string | undefined;
}

/**
 * @param pictures one PNG a frame
 * @throws DatasetError with ffmpeg's last words, the file system's errors, and by name what `pictures` throws
 */
export async function encodeVideo(
  path: string,
  pictures: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  { frameRate, tags = {}, enlarge = 1, captions }: VideoOptions,
): Promise<void> {
  const input = ["-f", "image2pipe", "-framerate", String(frameRate), "-c:v", "png", "-i", "-"];
  const text = captions === undefined ? [] : ["-i", captions, "-c:s", "mov_text", "-metadata:s:s:0", "language=eng"];
  const scale = enlarge === 1 ? [] : ["-vf", `scale=iw*${enlarge}:ih*${enlarge}:flags=neighbor`];
  const codec = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", String(KEY_FRAME_EVERY), "-crf", String(QUALITY)];
  const exact = ["-threads", "1", "-fflags", "+bitexact", "-flags:v", "+bitexact"]; // the same bytes every time
  const tagged = Object.entries(tags).flatMap(([name, value]) => ["-metadata", `${name}=${value}`]);
  const free = ["-movflags", "use_metadata_tags"]; // names of our own are let through
  const made = [...input, ...text, ...scale, ...codec, ...exact, ...free, ...tagged, path];
  const ffmpeg = spawn("ffmpeg", ["-v", "error", "-y", ...made], {
    stdio: ["pipe", "ignore", "pipe"],
    detached: true, // Ctrl-C is for us: the videos of what was finished are still to be made
  });
  let words = "";
  ffmpeg.stderr.on("data", (chunk: Buffer) => {
    words += chunk;
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    ffmpeg.once("error", reject);
    ffmpeg.once("close", resolve);
  });
  const [fed, code] = await Promise.allSettled([pipeline(Readable.from(pictures), ffmpeg.stdin), ended]);
  if (code.status === "rejected") throw code.reason;
  if (fed.status === "rejected" && fed.reason instanceof WorldloopError) throw fed.reason;
  if (code.value !== 0 || fed.status === "rejected") {
    throw new DatasetError(`${path}: ffmpeg could not write the video (${words.trim().split("\n").at(-1)})`);
  }
}
