/**
 * One frame as a PNG that says where it came from. Made from the pixels of the model and not from the screen, and by our
 * own encoder: a browser that guards against fingerprints alters what it reads back from a canvas.
 */
import { encode } from "fast-png";
import { sha256Hex } from "../model/hash";
import type { Provenance } from "../model/provenance";
import { enlarge, enlargement, type Pixels } from "./enlarge";
import { addPngTexts } from "./png-text";
import { xmpPacket } from "./xmp";

/** Keywords of a PNG's texts. */
export const PNG_XMP = "XML:com.adobe.xmp";
export const PNG_RECORD = "Worldloop";

export function screenshot(frame: Pixels, provenance: Provenance): Blob {
  const { rgba, width, height } = enlarge(frame, enlargement(frame.width, frame.height));
  const png = encode({ width, height, data: withoutAlpha(rgba), channels: 3, depth: 8 });
  const texts = [
    [PNG_XMP, xmpPacket(provenance)],
    [PNG_RECORD, JSON.stringify(provenance)],
  ] as const;
  return new Blob([addPngTexts(new Uint8Array(png), texts)], { type: "image/png" });
}

/** uint8 [H, W, 4] to [H, W, 3]. */
export function withoutAlpha(rgba: Uint8ClampedArray | Uint8Array): Uint8Array<ArrayBuffer> {
  const rgb = new Uint8Array((rgba.length / 4) * 3);
  for (let from = 0, to = 0; from < rgba.length; from += 4, to += 3) {
    rgb[to] = rgba[from] as number;
    rgb[to + 1] = rgba[from + 1] as number;
    rgb[to + 2] = rgba[from + 2] as number;
  }
  return rgb;
}

/** sha256 of a picture without its alpha. */
export const frameSha256 = ({ rgba }: Pick<Pixels, "rgba">): Promise<string> => sha256Hex(withoutAlpha(rgba));
