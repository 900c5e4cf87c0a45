/** A world in one line, for whoever decides whether to keep it. */
import type { Manifest } from "../model/manifest";
import { plain } from "./plain";

export function describe({ title, recordedFrom }: Manifest, bytes: number): string {
  const { environment, licence } = recordedFrom;
  return plain(`“${title}”, ${(bytes / 1e6).toFixed(1)} MB, recorded from ${environment}, licence ${licence}`);
}
