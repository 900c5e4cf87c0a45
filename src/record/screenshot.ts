/**
 * One frame as a PNG that says where it came from. Made from the pixels of the model and not from the screen, and by our
 * own encoder: a browser that guards against fingerprints alters what it reads back from a canvas.
 */
import { encode } from "fast-png";
import type { Provenance } from "../model/provenance";
import { rgbOf } from "../model/rgb";
import { enlarge, enlargement, type Pixels } from "./enlarge";
import { addPngTexts } from "./png-text";
import { xmpPacket } from "./xmp";

/** Keywords of a PNG's texts. */
export const PNG_XMP = "XML:com.adobe.xmp";
export const PNG_RECORD = "Worldloop";

export function screenshot(frame: Pixels, provenance: Provenance): Blob {
  const { rgba, width, height } = enlarge(frame, enlargement(frame.width, frame.height));
  const png = encode({ width, height, data: rgbOf(rgba), channels: 3, depth: 8 });
  const texts = [
    [PNG_XMP, xmpPacket(provenance)],
    [PNG_RECORD, JSON.stringify(provenance)],
  ] as const;
  return new Blob([addPngTexts(new Uint8Array(png), texts)], { type: "image/png" });
}
