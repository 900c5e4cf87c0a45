/** Pictures with and without alpha: canvases have four channels, files and networks three. */

/** uint8 [n, 4] to [n, 3]; the receiver owns it. */
export function rgbOf(rgba: Uint8ClampedArray | Uint8Array): Uint8Array<ArrayBuffer> {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from] as number;
    rgb[to + 1] = rgba[from + 1] as number;
    rgb[to + 2] = rgba[from + 2] as number;
  }
  return rgb;
}

/** uint8 [n, 3] to [n, 4], opaque; the receiver owns it. */
export function rgbaOf(rgb: Uint8Array): Uint8ClampedArray<ArrayBuffer> {
  const rgba = new Uint8ClampedArray(Math.floor(rgb.length / 3) * 4).fill(255);
  for (let from = 0, to = 0; to < rgba.length; from += 3, to += 4) {
    rgba[to] = rgb[from] as number;
    rgba[to + 1] = rgb[from + 1] as number;
    rgba[to + 2] = rgb[from + 2] as number;
  }
  return rgba;
}
