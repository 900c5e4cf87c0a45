/**
 * A picture of a person's own (photo, screenshot, drawing) as a world takes it: cropped to the world's shape, scaled to its
 * size, on white where it is transparent, upright as its camera meant it. Of an animation the first picture.
 */
import { PictureError } from "../errors";
import { rgbOf } from "../model/rgb";
import type { Size } from "../view/fit";

const MOST_BYTES = 64 * 2 ** 20;
/** Decoded, four bytes each: what phones' browsers still take. */
const MOST_PIXELS = 100e6;
/** Of one canvas on a phone. */
const MOST_CANVAS_PIXELS = 16e6;
/** px a side. Below that there is nothing to be seen in it. */
const LEAST_SIDE = 8;
/** px of a drawing that has no size of its own. */
const DRAWING_SIDE = 1024;

/** A part of a picture, in its own pixels. */
export interface Crop extends Size {
  readonly x: number;
  readonly y: number;
}

/** The largest part of `picture` with the aspect of `target`. @param at where along the side that is too long, [0, 1] */
export function cropOf(picture: Size, target: Size, at = 0.5): Crop {
  const scale = Math.min(picture.width / target.width, picture.height / target.height);
  const [width, height] = [target.width * scale, target.height * scale];
  return { x: (picture.width - width) * at, y: (picture.height - height) * at, width, height };
}

/** A decoded picture; `close` frees it. */
export interface OwnPicture extends Size {
  /** RGB of the crop at this size, uint8 [height, width, 3]. */
  rgb(size: Size, at: number): Uint8Array<ArrayBuffer>;
  close(): void;
}

/** @throws PictureError, with a sentence for people, when it is no picture that this browser reads, too large or too small */
export async function openPicture(file: Blob): Promise<OwnPicture> {
  if (file.size === 0) throw new PictureError("The file is empty. Choose another picture.");
  if (file.type && !file.type.startsWith("image/")) {
    throw new PictureError(`Expected a picture such as PNG, JPEG or WebP, got ${file.type}. Choose another file.`);
  }
  if (file.size > MOST_BYTES) {
    throw new PictureError(
      `Expected at most ${MOST_BYTES / 2 ** 20} MB, got ${(file.size / 2 ** 20).toFixed(0)} MB. Take a smaller version of the picture.`,
    );
  }
  const url = URL.createObjectURL(file);
  const free = () => URL.revokeObjectURL(url);
  const image = new Image();
  try {
    await new Promise<void>((resolve, reject) => {
      image.onload = () => resolve();
      image.onerror = () => reject(new PictureError(unreadable(file)));
      image.src = url;
    });
    const { width, height } = sizeOf(image);
    if (width * height > MOST_PIXELS) {
      throw new PictureError(
        `Expected at most ${MOST_PIXELS / 1e6} megapixels, got ${width} × ${height}. Take a smaller version of the picture.`,
      );
    }
    if (Math.min(width, height) < LEAST_SIDE) {
      throw new PictureError(`Expected at least ${LEAST_SIDE} × ${LEAST_SIDE} pixels, got ${width} × ${height}.`);
    }
    await image.decode().catch(() => {
      throw new PictureError(unreadable(file));
    });
    if (file.type.startsWith("image/svg")) return { ...drawing(image, { width, height }), close: free };
    return {
      width,
      height,
      rgb: (size, at) => draw(image, cropOf({ width, height }, size, at), size),
      close: free,
    };
  } catch (error) {
    free();
    throw error;
  }
}

function unreadable({ type }: Blob): string {
  const kind = type ? ` (${type})` : "";
  return `This browser can't read the file as a picture${kind}: it is damaged or of another kind. Save it as PNG or JPEG.`;
}

/** A drawing (SVG) without a size has the one of the browser's choosing, or none. */
function sizeOf({ naturalWidth, naturalHeight }: HTMLImageElement): Size {
  if (naturalWidth > 0 && naturalHeight > 0) return { width: naturalWidth, height: naturalHeight };
  return { width: DRAWING_SIDE, height: DRAWING_SIDE };
}

/** A drawing at a size of its own choosing: browsers disagree on what a part of one is. */
function drawing(image: HTMLImageElement, { width, height }: Size): Omit<OwnPicture, "close"> {
  const scale = DRAWING_SIDE / Math.max(width, height);
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width: Math.ceil(width * scale), height: Math.ceil(height * scale) });
  canvas.getContext("2d")?.drawImage(image, 0, 0, canvas.width, canvas.height);
  return {
    width: canvas.width,
    height: canvas.height,
    rgb: (size, at) => draw(canvas, cropOf(canvas, size, at), size),
  };
}

/** Halves the size until it is nearly there: scaled down in one step some browsers look at only a few of its pixels. */
function draw(image: CanvasImageSource, crop: Crop, size: Size): Uint8Array<ArrayBuffer> {
  let source = image;
  let { x, y, width, height } = crop;
  let context: CanvasRenderingContext2D;
  do {
    const by = width * height > 4 * MOST_CANVAS_PIXELS ? 4 : 2;
    const halved = { width: Math.ceil(width / by), height: Math.ceil(height / by) };
    const next = halved.width > size.width && halved.height > size.height ? halved : size;
    const canvas = Object.assign(document.createElement("canvas"), { width: next.width, height: next.height });
    const made = canvas.getContext("2d", { willReadFrequently: true });
    if (!made) throw new PictureError("This browser gave no memory for the picture. Take a smaller version of it.");
    context = made;
    context.fillStyle = "#fff";
    context.fillRect(0, 0, next.width, next.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(source, x, y, width, height, 0, 0, next.width, next.height);
    source = canvas;
    ({ x, y, width, height } = { x: 0, y: 0, ...next });
  } while (width !== size.width || height !== size.height);
  return rgbOf(context.getImageData(0, 0, size.width, size.height).data);
}
