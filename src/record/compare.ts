/** How like two pictures are: an enlarged picture from a file against the frame that the network made. */
import { RecordingError } from "../errors";
import { enlarge, type Pixels } from "./enlarge";

/** uint8 [height, width, 4]. */
export interface Picture {
  readonly rgba: Uint8Array | Uint8ClampedArray;
  readonly width: number;
  readonly height: number;
}

/** By how much the file's picture is larger than the frame. @throws RecordingError when it isn't a whole number of times */
export function factorOf(
  { width, height }: { readonly width: number; readonly height: number },
  frame: Pixels,
): number {
  const factor = width / frame.width;
  if (Number.isInteger(factor) && factor >= 1 && height === frame.height * factor) return factor;
  throw new RecordingError(
    `Picture: expected ${frame.width} × ${frame.height} or a whole multiple of it, as this world makes, got ${width} × ${height}. It was cut or resized, so it can't be compared.`,
  );
}

/** Whether the picture is the frame, enlarged, to the last bit. @throws RecordingError as `factorOf` */
export function isSame(picture: Picture, frame: Pixels): boolean {
  const { rgba } = enlarge(frame, factorOf(picture, frame));
  return rgba.every((value, i) => value === picture.rgba[i]);
}

/** Peak signal-to-noise ratio of red, green and blue, dB; Infinity when they are the same. @throws RecordingError as `factorOf` */
export function psnr(picture: Picture, frame: Pixels): number {
  const factor = factorOf(picture, frame);
  let sum = 0;
  for (let y = 0; y < frame.height; y++) {
    for (let x = 0; x < frame.width; x++) {
      for (let channel = 0; channel < 3; channel++) {
        const difference =
          mean(picture, { x, y, channel, factor }) - (frame.rgba[4 * (y * frame.width + x) + channel] ?? 0);
        sum += difference * difference;
      }
    }
  }
  const meanSquare = sum / (frame.width * frame.height * 3);
  return meanSquare === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10(255 ** 2 / meanSquare);
}

interface Block {
  readonly x: number;
  readonly y: number;
  readonly channel: number;
  readonly factor: number;
}

/** Of the factor × factor pixels that one pixel was enlarged to. */
function mean({ rgba, width }: Picture, { x, y, channel, factor }: Block): number {
  let sum = 0;
  for (let row = y * factor; row < (y + 1) * factor; row++) {
    for (let column = x * factor; column < (x + 1) * factor; column++)
      sum += rgba[4 * (row * width + column) + channel] ?? 0;
  }
  return sum / factor ** 2;
}
