/** Draws the timeline's strip: thumbnails side by side, the time to come dimmed, a notch where branches part. */
import type { Thumbnail } from "../model/thumbnail";

export interface Strip {
  /** Kept pictures, by their share of the strip's length, ascending. */
  readonly pictures: readonly { readonly at: number; readonly picture: Thumbnail }[];
  readonly partings: readonly number[];
  /** Shares: how long the branch is, and where the newest frame lies. */
  readonly length: number;
  readonly now: number;
}

const NOTCH = 4; // CSS pixels

export function drawStrip(canvas: HTMLCanvasElement, { pictures, partings, length, now }: Strip): void {
  const { clientWidth, clientHeight } = canvas;
  if (clientWidth === 0 || clientHeight === 0) return;
  const ratio = window.devicePixelRatio;
  const [width, height] = [Math.round(clientWidth * ratio), Math.round(clientHeight * ratio)];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  if (!context) return;
  context.clearRect(0, 0, width, height);
  const first = pictures[0]?.picture;
  const cell = first ? Math.max(8, (height * first.width) / first.height) : width;
  for (let left = 0; left < length * width; left += cell) {
    const middle = (left + cell / 2) / width;
    const near = pictures.findLast(({ at }) => at <= middle) ?? pictures[0];
    if (!near) break;
    context.save();
    context.beginPath();
    context.rect(left, 0, Math.min(cell, length * width - left), height);
    context.clip();
    context.drawImage(bitmapOf(near.picture), left, 0, cell, height);
    context.restore();
  }
  const colour = (name: string) => getComputedStyle(canvas).getPropertyValue(name).trim();
  context.globalAlpha = 0.6;
  context.fillStyle = colour("--back");
  context.fillRect(now * width, 0, (length - now) * width, height);
  context.globalAlpha = 1;
  context.fillStyle = colour("--accent");
  for (const at of partings) {
    const x = at * width;
    context.fillRect(x - ratio, 0, 2 * ratio, height);
    context.beginPath();
    context.moveTo(x - NOTCH * ratio, 0);
    context.lineTo(x + NOTCH * ratio, 0);
    context.lineTo(x, NOTCH * 1.5 * ratio);
    context.fill();
  }
}

/** Shows a thumbnail on a canvas of its own size. */
export function pictureOf(canvas: HTMLCanvasElement, { rgba, width, height }: Thumbnail): void {
  Object.assign(canvas, { width, height });
  canvas.getContext("2d")?.putImageData(new ImageData(rgba, width, height), 0, 0);
}

const bitmaps = new WeakMap<Thumbnail, OffscreenCanvas>();

function bitmapOf(picture: Thumbnail): OffscreenCanvas {
  const known = bitmaps.get(picture);
  if (known) return known;
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  canvas.getContext("2d")?.putImageData(new ImageData(picture.rgba, picture.width, picture.height), 0, 0);
  bitmaps.set(picture, canvas);
  return canvas;
}
