/** A clip as a file: where its record lies, and its pictures. What the record says is `provenance.ts`'s. */
import {
  ALL_FORMATS,
  BlobSource,
  Input,
  MATROSKA,
  MP4,
  QTFF,
  type VideoSample,
  VideoSampleSink,
  WEBM,
} from "mediabunny";
import { RecordingError } from "../errors";
import { LONGEST_RECORD, type Provenance, RECORD_TAG } from "../model/provenance";
import type { Picture } from "./compare";
import { readUuidBox, uuidBox, XMP_BOX } from "./mp4-box";
import { xmpPacket } from "./xmp";

/** The box of an MP4 file that holds our record; the number is random. */
export const RECORD_BOX = "44838dbae28a429a965d3658f4c26d99";
/** XMP for everybody, and our own record, each in a box of its own: they go behind the film. */
export const recordBoxes = (provenance: Provenance): Uint8Array<ArrayBuffer>[] => [
  uuidBox(XMP_BOX, xmpPacket(provenance)),
  uuidBox(RECORD_BOX, JSON.stringify(provenance)),
];
export const isMp4 = (head: Uint8Array): boolean => new TextDecoder("latin1").decode(head.subarray(4, 8)) === "ftyp";
export const isWebM = (head: Uint8Array): boolean => [0x1a, 0x45, 0xdf, 0xa3].every((byte, i) => head[i] === byte);

/** The record as JSON; null when the clip has none. @throws RecordingError when the file is damaged */
export async function readClipRecord(file: Blob, head: Uint8Array): Promise<string | null> {
  const boxed = isMp4(head) ? await readUuidBox(file, RECORD_BOX, LONGEST_RECORD + 24) : null;
  if (boxed !== null) return boxed;
  const input = new Input({ source: new BlobSource(file), formats: [WEBM, MATROSKA, MP4, QTFF] });
  try {
    const record = (await input.getMetadataTags()).raw?.[RECORD_TAG];
    return typeof record === "string" ? record : null;
  } catch (error) {
    throw unreadable(error);
  } finally {
    input.dispose();
  }
}

export interface ClipPictures {
  readonly count: number;
  /** Is asked for them in order. @throws RecordingError when it can't be decoded */
  at(index: number): Promise<Picture>;
  close(): void;
}

/** How many pictures of which size it has, px. Needs no decoder. @throws RecordingError when it is damaged */
export async function readClipShape(file: Blob): Promise<{ count: number; width: number; height: number }> {
  const { track, input } = await openTrack(file);
  try {
    const { packetCount: count } = await track.computePacketStats();
    return { count, width: await track.getDisplayWidth(), height: await track.getDisplayHeight() };
  } catch (error) {
    throw unreadable(error);
  } finally {
    input.dispose();
  }
}

/** By the browser's decoder. @throws RecordingError when it has none for this clip, or the clip is damaged */
export async function openClipPictures(file: Blob): Promise<ClipPictures> {
  const { track, input } = await openTrack(file);
  try {
    if (!(await track.canDecode())) {
      throw new RecordingError("Clip: this browser can't decode its video. Try another browser, or the command line.");
    }
    const { packetCount: count } = await track.computePacketStats();
    const first = await track.getFirstTimestamp();
    const length = ((await track.computeDuration()) - first) / count; // s
    const sink = new VideoSampleSink(track);
    return {
      count,
      async at(index) {
        const sample = await sink.getSample(first + (index + 0.5) * length);
        if (!sample) throw new RecordingError(`Clip: expected a picture number ${index + 1}, got none.`);
        return pictureOf(sample);
      },
      close: () => input.dispose(),
    };
  } catch (error) {
    input.dispose();
    throw unreadable(error);
  }
}

/** The file's video; whoever opens it disposes of the input. */
async function openTrack(file: Blob) {
  const input = new Input({ source: new BlobSource(file), formats: ALL_FORMATS });
  try {
    const track = await input.getPrimaryVideoTrack();
    if (!track) throw new RecordingError("Clip: expected a video, got a file without one.");
    return { track, input };
  } catch (error) {
    input.dispose();
    throw unreadable(error);
  }
}

/** By way of a canvas, which every browser has; a clip is compared by likeness, so its rounding doesn't matter. */
function pictureOf(sample: VideoSample): Picture {
  const { displayWidth: width, displayHeight: height } = sample;
  try {
    const context = new OffscreenCanvas(width, height).getContext("2d");
    if (!context) throw new RecordingError("Clip: expected a 2D canvas, but this browser gave none.");
    sample.draw(context, 0, 0);
    return { rgba: context.getImageData(0, 0, width, height).data, width, height };
  } finally {
    sample.close();
  }
}

const unreadable = (error: unknown): RecordingError =>
  error instanceof RecordingError
    ? error
    : new RecordingError(`Clip: expected a whole video, got one that can't be read (${(error as Error).message}).`);
