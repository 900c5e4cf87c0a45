/** Pictures enlarged by a whole factor without smoothing, so that screenshots and clips show the pixels as generated. */
export interface Pixels {
  /** uint8 [height, width, 4]. */
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
  readonly width: number;
  readonly height: number;
}

/** px; large enough to look at, and even for every picture size, as video encoders ask. */
const LONGEST_SIDE = 512;

/** The even factor that brings the longer side to about 512 px. */
export function enlargement(width: number, height: number): number {
  return Math.max(2, 2 * Math.round(LONGEST_SIDE / Math.max(width, height) / 2));
}

/** uint8 [factor · height, factor · width, 4], each pixel repeated; the receiver owns it. */
export function enlarge({ rgba, width, height }: Pixels, factor: number): Pixels {
  const from = new Uint32Array(rgba.buffer, rgba.byteOffset, width * height);
  const wide = width * factor;
  const to = new Uint32Array(wide * height * factor);
  for (let y = 0; y < height; y++) {
    const row = y * factor * wide;
    for (let x = 0; x < width; x++) to.fill(from[y * width + x] ?? 0, row + x * factor, row + (x + 1) * factor);
    for (let copy = 1; copy < factor; copy++) to.copyWithin(row + copy * wide, row, row + wide);
  }
  return { rgba: new Uint8ClampedArray(to.buffer), width: wide, height: height * factor };
}
