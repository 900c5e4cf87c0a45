/** SHA-256 as lowercase hex. */
import { sha256 } from "@noble/hashes/sha2";
import { rgbOf } from "./rgb";
import type { Frame } from "./world";

/** By the platform where it offers one; insecure contexts (a page over plain http) have no `crypto.subtle`. */
export async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const subtle = globalThis.crypto?.subtle as SubtleCrypto | undefined;
  const digest = subtle ? new Uint8Array(await subtle.digest("SHA-256", bytes)) : sha256(bytes);
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** Of a picture, its alpha left out. */
export const frameSha256 = ({ rgba }: Pick<Frame, "rgba">): Promise<string> => sha256Hex(rgbOf(rgba));
