/** Makes guides of pictures: scaled to cover the world's size, what is over cropped on both sides alike. */
import { GuideError } from "../errors";
import { rgbOf } from "../model/rgb";
import type { Size } from "../view/fit";
import { cropOf } from "./picture-file";

/** @param size of `image` in its pixels. @returns uint8 RGB [height, width, 3] of the world's size */
export type DrawGuide = (image: CanvasImageSource, size: Size, isMirrored?: boolean) => Uint8Array<ArrayBuffer>;

/** @param canvas to draw on, which gets the world's size. @throws GuideError where the browser has no memory for it */
export function createGuideCanvas({ width, height }: Size, canvas: HTMLCanvasElement | OffscreenCanvas): DrawGuide {
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { willReadFrequently: true }) as CanvasRenderingContext2D | null;
  if (!context) throw new GuideError("This browser gave no memory for the guide. Close other pages and try again.");
  context.fillStyle = "#fff"; // under what is transparent, as for a picture that a world begins with
  context.imageSmoothingQuality = "high";
  return (image, size, isMirrored = false) => {
    const crop = cropOf(size, { width, height });
    context.setTransform(isMirrored ? -1 : 1, 0, 0, 1, isMirrored ? width : 0, 0);
    context.fillRect(0, 0, width, height);
    context.drawImage(image, crop.x, crop.y, crop.width, crop.height, 0, 0, width, height);
    return rgbOf(context.getImageData(0, 0, width, height).data);
  };
}
