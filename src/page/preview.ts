/**
 * The preview of a world: a few seconds that its own package dreamed, as `python -m training.package.preview` left them
 * beside it. What says so is `preview.json`; the build collects those of all worlds in `worlds/previews.json`.
 */
import { z } from "zod/mini";
import type { Manifest } from "../model/manifest";

const count = z.int().check(z.positive());
const sha256 = z.string().check(z.regex(/^[0-9a-f]{64}$/));

const previewSchema = z.object({
  schema: z.literal(1),
  picture: z.object({ file: z.string().check(z.regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]*$/)), bytes: count, sha256 }),
  /** In a grid of so many columns, row by row; each of this size, px. */
  frames: count,
  columns: count,
  width: count,
  height: count,
  frameRate: z.number().check(z.positive()),
  seed: z.int().check(z.nonnegative()),
  start: z.int().check(z.nonnegative()),
  /** Who steered. */
  driver: z.string(),
  /** Files of the package that it was dreamed by: path → sha256. */
  madeBy: z.record(z.string(), sha256),
});
export type Preview = z.infer<typeof previewSchema>;

/** A preview that this very package made; undefined for one of other weights, or for something else. */
export function previewOf({ tick, files }: Pick<Manifest, "tick" | "files">, facts: unknown): Preview | undefined {
  const { data } = previewSchema.safeParse(facts);
  const made = Object.entries(data?.madeBy ?? {});
  const isFresh = made.every(([path, sha]) => Object.hasOwn(files, path) && files[path]?.sha256 === sha);
  return data && isFresh && Object.hasOwn(data.madeBy, tick.file) ? data : undefined;
}

/** Its address: with the hash in it, so that no cache answers with another one. @param url of the package's folder */
export const sheetAddress = ({ picture }: Preview, url: string): string =>
  `${url}${picture.file}?sha256=${picture.sha256}`;

/** What is known of the previews of this site's worlds, by name; nothing where the list can't be had. */
export async function readPreviews(): Promise<Readonly<Record<string, unknown>>> {
  const response = await fetch("worlds/previews.json", { cache: "no-cache" });
  const listed: unknown = response.ok ? await response.json() : {};
  return typeof listed === "object" && listed !== null ? (listed as Record<string, unknown>) : {};
}
