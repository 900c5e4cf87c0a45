/** A frame made small, for the timeline: whole blocks of pixels averaged, so that it costs the page next to nothing. */
import type { Frame } from "./world";

export interface Thumbnail {
  /** RGBA, row by row, uint8 [height, width, 4]. */
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
}

/** Pixels of the longer side, at most: sharp enough for a strip, 9 kB for a world of 96 × 96. */
const LONGEST = 64;

export function thumbnailOf(frame: Pick<Frame, "rgba" | "width" | "height">): Thumbnail {
  const block = Math.ceil(Math.max(frame.width, frame.height) / LONGEST);
  const width = Math.max(1, Math.floor(frame.width / block));
  const height = Math.max(1, Math.floor(frame.height / block));
  const rgba = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < rgba.length; i++) {
    const channel = i % 4;
    const x = ((i >> 2) % width) * block;
    const y = Math.floor((i >> 2) / width) * block;
    let sum = 0;
    for (let dy = 0; dy < block; dy++) {
      for (let dx = 0; dx < block; dx++) sum += frame.rgba[4 * ((y + dy) * frame.width + x + dx) + channel] ?? 0;
    }
    rgba[i] = sum / (block * block);
  }
  return { rgba, width, height };
}
