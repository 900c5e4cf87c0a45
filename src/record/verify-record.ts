/**
 * Whether what a file says of itself is true: plays its actions again and compares. A picture made on the same engine must
 * come out to the last bit; on another one, and in a video, it has to look the same.
 */

import { RecordingError } from "../errors";
import { frameSha256, sha256Hex } from "../model/hash";
import { actionsSha256, originOf, type Provenance, sameEngine } from "../model/provenance";
import type { Frame, World } from "../model/world";
import { parseActionLog } from "./action-log";
import type { ClipPictures } from "./clip-file";
import { factorOf, isSame, type Picture, psnr } from "./compare";
import { barePng, readPng } from "./png-text";
import type { MarkedFile } from "./provenance-file";
import { checkLength, type PlayableShot, type ReplayOptions, replayShots } from "./replay-shots";
import { unpackActions } from "./share-link";

/**
 * `same`: to the last bit. `alike`: as near as another engine or a video allows. `different`: another picture, or a record
 * that contradicts itself. `unsure`: nothing here can tell.
 */
export interface Verdict {
  readonly outcome: "same" | "alike" | "different" | "unsure";
  /** For people, one or two sentences. */
  readonly line: string;
}

export interface OpenedWorld {
  readonly world: World;
  readonly packageSha256: string;
}

export interface VerifyOptions extends ReplayOptions {
  readonly openClip: (file: Blob) => Promise<ClipPictures>;
  /** A picture that the file may have begun at: uint8 RGB [H, W, 3]. */
  readonly picture?: Uint8Array<ArrayBuffer> | undefined;
}

/**
 * dB from which two engines are said to have made the same picture. In pong and push-t, where
 * little moves, other drives reach 30, int8 beside float32 after 60 ticks 57, onnxruntime beside our own engine 88.
 */
const ALIKE_DB = 40;
/** The same for a picture out of a video, dB. H.264 and VP8 left 44 and more. */
const ALIKE_IN_VIDEO_DB = 32;
/** Screenshots have a quarter of a million. */
const MOST_PIXELS = 16e6;
/** Pictures of a clip that are compared. */
const MOST_SAMPLES = 8;

/**
 * @param opened the world that the record names, on the engine that it names where this machine has it
 * @throws RecordingError when nothing can be replayed: no actions, another version of the world, a resized picture;
 * AbortedError, and what a world throws
 */
export async function verifyRecord(found: MarkedFile, opened: OpenedWorld, options: VerifyOptions): Promise<Verdict> {
  const { provenance, contradiction, kind } = found;
  if (contradiction) return { outcome: "different", line: contradiction };
  const { world, packageSha256 } = opened;
  checkVersion(provenance, packageSha256);
  const shots = await playableShots(found, world.manifest.actions, options.picture);
  if (kind === "actions") {
    const found = await actionsSha256(shots[0]?.actions ?? [], shots[0]?.told);
    if (found !== provenance.shots[0]?.actionsSha256) {
      return { outcome: "different", line: "The log's actions aren't those that its record is of: it was changed." };
    }
  }
  const here = originOf({ packageSha256, backend: world.backend }, provenance.world).engine;
  const engines = sameEngine(provenance.engine, here)
    ? null
    : `made on ${engineName(provenance.engine)}, replayed on ${engineName(here)}`;
  const replay = () => replayShots(world, shots, options);
  if (kind === "picture") return verifyPicture(await decodePicture(found.file, world), replay(), engines);
  if (kind === "actions") return verifyLastFrame(provenance, replay(), engines);
  return verifyClip(found.file, provenance.shots, replay(), { engines, openClip: options.openClip });
}

/** @throws RecordingError */
export function checkVersion({ packageSha256, world, generator }: Provenance, here: string): void {
  if (packageSha256 === here) return;
  throw new RecordingError(
    `Made with the version ${packageSha256.slice(0, 12)}… of ${world} by ${generator}; here is the version ${here.slice(0, 12)}…, which gives other pictures. It can only be checked with the version that made it.`,
  );
}

/**
 * The shots with their actions. @param picture that they may have begun at: its hash tells
 * @throws RecordingError when the actions aren't in the file, damaged, or another world's
 */
export async function playableShots(
  { provenance, kind, file }: MarkedFile,
  table: World["manifest"]["actions"],
  picture?: Uint8Array<ArrayBuffer>,
): Promise<PlayableShot[]> {
  const pictureSha256 = picture && (await sha256Hex(picture));
  const place = { name: "Record, actions", advice: "The record was changed after it was made." };
  const shots: PlayableShot[] = [];
  for (const shot of provenance.shots) {
    const { seed, start, contextSha256, from, to } = shot;
    if (shot.guidesSha256 !== undefined) {
      throw new RecordingError(
        "It was painted after pictures of a camera or a video, which aren't in the file. It can't be replayed without them.",
      );
    }
    if (start === undefined && contextSha256 !== pictureSha256) {
      throw new RecordingError(
        "It began from pictures of somebody's own, which aren't in the file. It can't be replayed without them.",
      );
    }
    if (kind !== "actions" && shot.actions === undefined) {
      throw new RecordingError(
        "Its actions aren't in the file: whoever made it kept them, or they were too many. It can't be replayed.",
      );
    }
    const { actions, told } =
      shot.actions === undefined
        ? parseActionLog(table, await file.text())
        : { actions: await unpackActions(shot.actions, table, place), told: shot.prompts ?? [] };
    checkLength(shot, actions);
    const beginning = start === undefined && picture ? { start: 0, picture } : { start: start ?? 0 };
    shots.push({ seed, ...beginning, from, to, actions, told });
  }
  return shots;
}

async function verifyPicture(picture: Picture, replay: AsyncGenerator<Frame>, engines: string | null) {
  const frame = await last(replay);
  const drive = `Replaying its ${frame.tick} actions`;
  if (isSame(picture, frame)) return same(`Verified: ${lower(drive)} gives this picture, bit by bit.`);
  const likeness = psnr(picture, frame);
  const measured = `PSNR ${likeness.toFixed(1)} dB`;
  if (!engines) {
    return different(
      likeness >= ALIKE_DB
        ? `Not the same: ${lower(drive)} gives nearly this picture (${measured}), not bit by bit. It was retouched, or saved anew with loss; or a processor of another kind rounds differently.`
        : `Not true: ${lower(drive)} gives another picture (${measured}). The picture isn't the one that its record is of.`,
    );
  }
  if (likeness >= ALIKE_DB) {
    return alike(`Alike: ${lower(drive)} gives the same picture but for rounding (${measured}); ${engines}.`);
  }
  return unsure(
    `Not alike: ${lower(drive)} gives another picture (${measured}). It was ${engines}: differences of rounding grow with time, so this proves nothing.`,
  );
}

async function verifyLastFrame({ shots }: Provenance, replay: AsyncGenerator<Frame>, engines: string | null) {
  const frame = await last(replay);
  const claimed = shots.at(-1)?.frameSha256;
  const intact = "The actions are those that its record is of";
  if (claimed === undefined)
    return unsure(`${intact}. It says nothing of the pictures, so there is nothing to compare.`);
  if ((await frameSha256(frame)) === claimed) {
    return same(`Verified: replaying its ${frame.tick} actions ends at the picture that it says, bit by bit.`);
  }
  if (engines)
    return unsure(`${intact}. The last picture isn't the same to the bit; it was ${engines}, which round differently.`);
  return different(
    "Not true: replaying its actions ends at another picture than it says. It was changed, or a processor of another kind rounds differently.",
  );
}

interface ClipOptions extends Pick<VerifyOptions, "openClip"> {
  readonly engines: string | null;
}

async function verifyClip(
  file: Blob,
  shots: Provenance["shots"],
  replay: AsyncGenerator<Frame>,
  { engines, openClip }: ClipOptions,
): Promise<Verdict> {
  const clip = await openClip(file);
  try {
    const lasts = new Map<number, string | undefined>(); // hashes of the last pictures of its shots
    const count = shots.reduce((sum, { from, to, frameSha256 }) => {
      lasts.set(sum + to - from, frameSha256);
      return sum + to - from + 1;
    }, 0);
    if (clip.count !== count) {
      return different(
        `Not true: the clip has ${clip.count} pictures, its record is of ${count}. It was cut or put together.`,
      );
    }
    const samples = sampled(count);
    let [index, worst, at] = [0, Number.POSITIVE_INFINITY, 0];
    for await (const frame of replay) {
      if (samples.has(index)) {
        const likeness = psnr(await clip.at(index), frame);
        if (likeness < worst) [worst, at] = [likeness, index];
      }
      const claimed = engines ? undefined : lasts.get(index);
      index += 1;
      if (claimed !== undefined && (await frameSha256(frame)) !== claimed) {
        return different(
          `Not true: replaying its actions ends a shot at another picture, number ${index}, than it says. It was changed, or a processor of another kind rounds differently.`,
        );
      }
    }
    const measured = `PSNR ${worst.toFixed(1)} dB or more in ${samples.size} of ${count} pictures`;
    if (worst >= ALIKE_IN_VIDEO_DB) {
      return alike(
        `Verified as far as a video allows: its actions have the hash that it says, and replaying them gives its pictures (${measured}; video isn't exact)${engines ? `; ${engines}` : ""}.`,
      );
    }
    const told = `replaying its actions gives another picture than number ${at + 1} (PSNR ${worst.toFixed(1)} dB)`;
    if (engines)
      return unsure(
        `Not alike: ${told}. It was ${engines}: differences of rounding grow with time, so this proves nothing.`,
      );
    return different(`Not true: ${told}. The video isn't the one that its record is of.`);
  } finally {
    clip.close();
  }
}

/** Indices spread evenly, the first and the last among them. */
function sampled(count: number): Set<number> {
  const most = Math.min(MOST_SAMPLES, count);
  return new Set(Array.from({ length: most }, (_, i) => Math.round((i * (count - 1)) / Math.max(1, most - 1))));
}

/** Its size is looked at first: a small file may be a picture of gigabytes. @throws RecordingError */
async function decodePicture(file: Blob, { manifest }: World): Promise<Picture> {
  const bytes = new Uint8Array(await file.arrayBuffer());
  const { width, height } = readPng(bytes);
  factorOf({ width, height }, { ...manifest.picture, rgba: new Uint8ClampedArray() });
  if (width * height > MOST_PIXELS) {
    throw new RecordingError(`Picture: expected at most ${MOST_PIXELS} pixels, got ${width} × ${height}.`);
  }
  const { decode } = await import("fast-png");
  try {
    const { data, channels, depth } = decode(await barePng(bytes));
    if (depth !== 8 || (channels !== 3 && channels !== 4)) {
      throw new RecordingError(
        `Picture: expected 3 or 4 channels of 8 bits, got ${channels} of ${depth}. It was converted.`,
      );
    }
    const rgba = new Uint8ClampedArray(width * height * 4).fill(255);
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < channels; c++) rgba[4 * i + c] = data[channels * i + c] as number;
    }
    return { rgba, width, height };
  } catch (error) {
    if (error instanceof RecordingError) throw error;
    throw new RecordingError(`Picture: expected a PNG, got one that can't be decoded (${(error as Error).message}).`);
  }
}

async function last(frames: AsyncGenerator<Frame>): Promise<Frame> {
  let newest: Frame | undefined;
  for await (const frame of frames) newest = frame;
  if (!newest) throw new RecordingError("The record is of no picture. It was changed after it was made.");
  return newest;
}

/** In words. */
export const engineName = ({ name, arithmetic }: Provenance["engine"]) =>
  arithmetic ? `our own engine (${arithmetic})` : `onnxruntime (${name})`;
const lower = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);
const verdict =
  (outcome: Verdict["outcome"]) =>
  (line: string): Verdict => ({ outcome, line });
const [same, alike, different, unsure] = [
  verdict("same"),
  verdict("alike"),
  verdict("different"),
  verdict("unsure"),
] as const;
