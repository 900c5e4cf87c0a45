/**
 * A video's pictures as guides with the time of each, and the pictures that are painted after them as a video, by the
 * ffmpeg on the PATH, one at a time. Bringing times and sound to them: `record/joined-video.ts`.
 */
import { spawn } from "node:child_process";
import { openAsBlob } from "node:fs";
import { access } from "node:fs/promises";
import { gotInstead } from "../dataset/stored-file";
import { QUALITY } from "../dataset/video";
import { RecordingError } from "../errors";
import type { Manifest } from "../model/manifest";
import { readClipShape } from "../record/clip-file";
import { enlargement } from "../record/enlarge";
import { checkFfmpeg, decodeRaw } from "./clip-decoder";
import { about } from "./input";
import { isFolder } from "./inspect";

type Size = Manifest["picture"];

export interface GuideVideo {
  /** Pictures, as the file says before one is decoded. */
  readonly count: number;
  /** The next one, uint8 RGB [height, width, 3], its middle as wide as the world's picture is; null: there are no more. */
  next(): Promise<Uint8Array | null>;
  /** Of all pictures, when the last one has come, s. @throws RecordingError where the file doesn't say */
  times(): number[];
  close(): void;
}

/** @throws RecordingError in one line for what isn't a video */
export async function openGuideVideo(path: string, size: Size): Promise<GuideVideo> {
  await access(path).catch((error: Error) => {
    throw new RecordingError(`${path}: expected a video, got ${gotInstead(error)}`, { cause: error });
  });
  if (isFolder(path)) throw new RecordingError(`${path}: expected a video, got a folder`);
  const file = await openAsBlob(path);
  const { count } = await readClipShape(file).catch((error: Error) => about(path, () => fail(error)));
  checkFfmpeg(path, "; install it");
  const square = `crop=min(iw\\,ih*${size.width}/${size.height}):min(ih\\,iw*${size.height}/${size.width})`;
  const filters = `showinfo=checksum=0,${square},scale=${size.width}:${size.height}:flags=area`;
  const all = ["-fps_mode", "passthrough", "-copyts"]; // none twice, none left out, at the file's own times
  const decoding = decodeRaw(
    ["-nostats", "-i", path, "-map", "0:v:0", "-vf", filters, ...all, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
    size.width * size.height * 3,
  );
  let given = 0;
  return {
    count,
    async next() {
      const picture = await decoding.next();
      if (picture) given += 1;
      else if (given === 0) throw new RecordingError(`${path}: expected pictures, ffmpeg could decode none of it`);
      return picture;
    },
    times() {
      const [, over = "1", under = "1"] = /config in time_base: (\d+)\/(\d+)/.exec(decoding.words()) ?? [];
      const ticks = [...decoding.words().matchAll(/ n: *\d+ pts: *(-?\d+) /g)].map(([, pts]) => Number(pts));
      if (ticks.length < given) {
        throw new RecordingError(`${path}: expected a time for each of ${given} pictures, got ${ticks.length}`);
      }
      return ticks.slice(0, given).map((tick) => (tick * Number(over)) / Number(under));
    },
    close: decoding.close,
  };
}

const fail = (error: Error): never => {
  throw error;
};

export interface VideoEncoding {
  /** RGB [height, width, 3], the next picture. @throws RecordingError when ffmpeg has given up */
  add(rgb: Uint8Array): Promise<void>;
  /** @throws RecordingError with ffmpeg's last words */
  finish(): Promise<void>;
  close(): void;
}

/** Enlarged as clips of the page are; pictures follow each other in the file as they were added. */
export function encodePictures(path: string, { width, height }: Size): VideoEncoding {
  const factor = enlargement(width, height);
  const input = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", `${width}x${height}`, "-framerate", "25", "-i", "-"];
  const codec = ["-c:v", "libx264", "-bf", "0", "-pix_fmt", "yuv420p", "-crf", String(QUALITY), "-f", "mp4"];
  const large = ["-vf", `scale=iw*${factor}:ih*${factor}:flags=neighbor`];
  const ffmpeg = spawn("ffmpeg", ["-v", "error", "-y", ...input, ...large, ...codec, path], {
    stdio: ["pipe", "ignore", "pipe"],
    detached: true, // Ctrl-C is for us
  });
  let words = "";
  ffmpeg.stderr.on("data", (chunk: Buffer) => {
    words += chunk;
  });
  ffmpeg.stdin.on("error", () => undefined); // told when it has ended
  const failed = () =>
    new RecordingError(`${path}: ffmpeg could not write the video (${words.trim().split("\n").at(-1)})`);
  const ended = new Promise<void>((resolve, reject) => {
    ffmpeg.once("error", reject);
    ffmpeg.once("close", (code) => (code === 0 ? resolve() : reject(failed())));
  });
  ended.catch(() => undefined); // told by the next call
  return {
    async add(rgb) {
      if (ffmpeg.stdin.write(rgb)) return;
      await Promise.race([new Promise<void>((resolve) => ffmpeg.stdin.once("drain", resolve)), ended]);
    },
    async finish() {
      ffmpeg.stdin.end();
      await ended;
    },
    close() {
      ffmpeg.stdin.destroy();
      ffmpeg.kill();
    },
  };
}
