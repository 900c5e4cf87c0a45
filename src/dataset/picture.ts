/** Pictures as PNG files, without loss, and the counts of their values that statistics are made from. */
import { decode, encode } from "fast-png";
import { DatasetError } from "../errors";

export interface PictureSize {
  readonly width: number;
  readonly height: number;
}

/** @param rgb uint8 [H, W, 3]. @returns a PNG file; the same picture gives the same bytes */
export const encodePicture = (rgb: Uint8Array, size: PictureSize): Uint8Array =>
  encode({ ...size, data: rgb, channels: 3, depth: 8 });

/** @returns uint8 [H, W, 3]. @throws DatasetError when it is another picture than `encodePicture` gives for this size */
export function decodePicture(png: Uint8Array, { width, height }: PictureSize): Uint8Array {
  const picture = decode(png);
  if (picture.width === width && picture.height === height && picture.channels === 3 && picture.depth === 8) {
    return new Uint8Array(picture.data);
  }
  throw new DatasetError(
    `expected a PNG of ${width} x ${height} x 3 bytes, got ${picture.width} x ${picture.height} x ${picture.channels}`,
  );
}

/** How often each value occurs, for red, green and blue: [3][256]. */
export const emptyHistogram = (): number[][] => [0, 1, 2].map(() => new Array<number>(256).fill(0));

/** @param histogram is added to */
export function countValues(rgb: Uint8Array, histogram: readonly number[][]): void {
  for (const [channel, counts] of histogram.entries()) {
    for (let at = channel; at < rgb.length; at += 3) {
      const value = rgb[at] as number;
      counts[value] = (counts[value] as number) + 1;
    }
  }
}
