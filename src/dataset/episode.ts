/**
 * One finished episode: its rollout (seed, actions, frame hashes: enough to play it again) and its pictures. Packed, it
 * is one run of bytes, which threads, queues and the staging folder pass on. What a dataset makes of it is the writers'.
 */
import { DatasetError, quoted } from "../errors";
import type { ActionSpec } from "../model/manifest";
import { parseRollout, type Rollout } from "./rollout-file";

/** A rollout that says which episode it is. */
export type EpisodeRollout = Rollout & { readonly episode: NonNullable<Rollout["episode"]> };

export interface Episode {
  readonly rollout: EpisodeRollout;
  /** PNG files: frame 0, which is the start's picture, and the frame after each action. */
  readonly pictures: readonly Uint8Array[];
}

/** An episode on disk. */
export interface StoredEpisode {
  readonly rollout: EpisodeRollout;
  /** PNG files, one a frame. */
  pictures(): Promise<readonly Uint8Array[]>;
  /** The file that the dataset's format keeps of this episode alone, where there is one already: it is copied. */
  readonly file?: string;
}

/** Frames, which are one more than the rollout's actions. */
export const lengthOf = ({ actions }: Rollout): number => actions.length + 1;

/** float32 [frames, A], row by row: action t answers frame t. */
export function actionsOf({ actions, episode }: EpisodeRollout, specs: readonly ActionSpec[]): Float32Array {
  const named = [...actions, episode.lastAction];
  return Float32Array.from(named.flatMap((action) => specs.map(({ name, rest }) => action[name] ?? rest)));
}

/** uint32 little-endian length of a JSON header, the header, then the pictures one after another. */
export function packEpisode({ rollout, pictures }: Episode): Uint8Array<ArrayBuffer> {
  const header = new TextEncoder().encode(JSON.stringify({ rollout, sizes: pictures.map((png) => png.length) }));
  const bytes = new Uint8Array(4 + header.length + pictures.reduce((sum, png) => sum + png.length, 0));
  new DataView(bytes.buffer).setUint32(0, header.length, true);
  bytes.set(header, 4);
  let at = 4 + header.length;
  for (const png of pictures) {
    bytes.set(png, at);
    at += png.length;
  }
  return bytes;
}

/** @param where for messages. @throws DatasetError, RecordingError when the bytes are anything else than packed */
export function unpackEpisode(where: string, bytes: Uint8Array): Episode {
  const broken = (got: string) =>
    new DatasetError(`${where}: expected a packed episode, got ${got}; delete it and collect it again`);
  if (bytes.length < 4) throw broken(`${bytes.length} bytes`);
  const headerEnd = 4 + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  if (headerEnd > bytes.length) throw broken("a header that is cut short");
  const { rollout, sizes } = parseHeader(where, new TextDecoder().decode(bytes.subarray(4, headerEnd)));
  const total = sizes.reduce((sum, size) => sum + size, headerEnd);
  if (total !== bytes.length) throw broken(`${bytes.length} bytes instead of ${total}`);
  if (sizes.length !== lengthOf(rollout)) throw broken(`${sizes.length} pictures for ${lengthOf(rollout)} frames`);
  let at = headerEnd;
  const pictures = sizes.map((size) => {
    at += size;
    return bytes.subarray(at - size, at);
  });
  return { rollout, pictures };
}

/** @throws DatasetError when a rollout is no episode's */
export function asEpisode(where: string, rollout: Rollout): EpisodeRollout {
  const { episode } = rollout;
  if (!episode) throw new DatasetError(`${where}: expected the rollout of a collected episode, got a plain rollout`);
  return { ...rollout, episode };
}

function parseHeader(where: string, text: string): { rollout: EpisodeRollout; sizes: number[] } {
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (error) {
    throw new DatasetError(`${where}: expected a JSON header, got ${(error as Error).message}`);
  }
  const { rollout, sizes } = header as { rollout?: unknown; sizes?: unknown };
  if (!Array.isArray(sizes) || !sizes.every((size) => Number.isSafeInteger(size) && size > 0)) {
    throw new DatasetError(`${where}: expected the sizes of the pictures, got ${quoted(sizes)}`);
  }
  return { rollout: asEpisode(where, parseRollout(where, JSON.stringify(rollout ?? null))), sizes: sizes as number[] };
}
