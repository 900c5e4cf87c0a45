/** The pictures of a clip in Node, by the ffmpeg on the PATH: as `openClipPictures` has them in a browser. */
import { spawn, spawnSync } from "node:child_process";
import { RecordingError } from "../errors";
import { type ClipPictures, readClipShape } from "../record/clip-file";

/** @param path of the clip. @throws RecordingError when ffmpeg isn't there or can't read it */
export async function decodeClip(path: string, file: Blob): Promise<ClipPictures> {
  const { count, width, height } = await readClipShape(file);
  checkFfmpeg(path, "; install it, or drop the clip on the page");
  const decoding = decodeRaw(
    ["-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgba", "-"],
    width * height * 4,
  );
  let next = 0;

  async function read(): Promise<Buffer> {
    const picture = await decoding.next();
    if (picture) {
      next += 1;
      return picture;
    }
    throw new RecordingError(
      `${path}: expected ${count} pictures, ffmpeg gave ${next} (${decoding.words().trim() || "no reason"})`,
    );
  }

  return {
    count,
    async at(index) {
      while (next < index) await read();
      return { rgba: new Uint8Array(await read()), width, height };
    },
    close: decoding.close,
  };
}

/** @throws RecordingError, its message beginning with the path */
export function checkFfmpeg(path: string, advice: string): void {
  const { error } = spawnSync("ffmpeg", ["-version"], { stdio: "ignore" });
  if (!error) return;
  throw new RecordingError(
    `${path}: expected ffmpeg on the PATH to decode the video, got none (${error.message})${advice}`,
  );
}

export interface Decoding {
  /** Null when there are no more; asked for one at a time. */
  next(): Promise<Buffer | null>;
  /** What ffmpeg has said so far; after the last picture, all of it. */
  words(): string;
  close(): void;
}

/** What ffmpeg writes to its output, in pieces. @param size of a picture, bytes */
export function decodeRaw(parameters: readonly string[], size: number): Decoding {
  const ffmpeg = spawn("ffmpeg", parameters, { stdio: ["ignore", "pipe", "pipe"] });
  let words = "";
  ffmpeg.stderr.on("data", (chunk: Buffer) => {
    words += chunk;
  });
  const ended = new Promise<void>((resolve, reject) => {
    ffmpeg.once("error", reject);
    ffmpeg.once("close", () => resolve());
  });
  ended.catch(() => undefined); // told by the next picture that isn't there
  const chunks = ffmpeg.stdout[Symbol.asyncIterator]();
  let held: Buffer = Buffer.alloc(0);
  return {
    async next() {
      const parts = [held];
      let length = held.length;
      while (length < size) {
        const { value, done } = (await chunks.next()) as IteratorResult<Buffer>;
        if (done) {
          await ended.catch(() => undefined);
          return null;
        }
        parts.push(value);
        length += value.length;
      }
      const all = Buffer.concat(parts);
      held = all.subarray(size);
      return all.subarray(0, size);
    },
    words: () => words,
    close() {
      ffmpeg.stdout.destroy(); // what nobody read would keep the process
      ffmpeg.kill();
    },
  };
}
