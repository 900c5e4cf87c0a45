/** RGB pictures as a canvas takes them. */

/** @param rgb uint8 [n, 3]. @returns uint8 [n, 4], opaque; the receiver owns it */
export function rgbaOf(rgb: Uint8Array): Uint8ClampedArray<ArrayBuffer> {
  const pixels = Math.floor(rgb.length / 3);
  const rgba = new Uint8ClampedArray(pixels * 4).fill(255);
  for (let i = 0; i < pixels; i++) rgba.set(rgb.subarray(i * 3, i * 3 + 3), i * 4);
  return rgba;
}
