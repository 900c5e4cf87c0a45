/** The pictures of a clip in Node, by the ffmpeg on the PATH: as `openClipPictures` has them in a browser. */
import { spawn, spawnSync } from "node:child_process";
import { RecordingError } from "../errors";
import { type ClipPictures, readClipShape } from "../record/clip-file";

/** @param path of the clip. @throws RecordingError when ffmpeg isn't there or can't read it */
export async function decodeClip(path: string, file: Blob): Promise<ClipPictures> {
  const { count, width, height } = await readClipShape(file);
  const { error } = spawnSync("ffmpeg", ["-version"], { stdio: "ignore" });
  if (error) {
    throw new RecordingError(
      `${path}: expected ffmpeg on the PATH to decode the video, got none (${error.message}); install it, or drop the clip on the page`,
    );
  }
  const ffmpeg = spawn("ffmpeg", ["-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgba", "-"], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  let words = "";
  ffmpeg.stderr.on("data", (chunk: Buffer) => {
    words += chunk;
  });
  const ended = new Promise<void>((resolve, reject) => {
    ffmpeg.once("error", reject);
    ffmpeg.once("close", resolve);
  });
  ended.catch(() => undefined); // told by the next picture that isn't there
  const chunks = ffmpeg.stdout[Symbol.asyncIterator]();
  const size = width * height * 4;
  let held: Buffer = Buffer.alloc(0);
  let next = 0;

  async function read(): Promise<Buffer> {
    const parts = [held];
    let length = held.length;
    while (length < size) {
      const { value, done } = (await chunks.next()) as IteratorResult<Buffer>;
      if (done) {
        await ended.catch(() => undefined);
        throw new RecordingError(
          `${path}: expected ${count} pictures, ffmpeg gave ${next} (${words.trim() || "no reason"})`,
        );
      }
      parts.push(value);
      length += value.length;
    }
    const all = Buffer.concat(parts);
    held = all.subarray(size);
    next += 1;
    return all.subarray(0, size);
  }

  return {
    count,
    async at(index) {
      while (next < index) await read();
      return { rgba: new Uint8Array(await read()), width, height };
    },
    close: () => void ffmpeg.kill(),
  };
}
