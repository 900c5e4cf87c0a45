/**
 * Records frames into a video with WebCodecs through mediabunny: MP4 where the browser encodes H.264, else WebM. Time in
 * the clip is the world's (one frame lasts one tick), so pauses and slow motion don't show. Loaded when first used.
 */
import {
  BlobSource,
  BufferTarget,
  Conversion,
  getFirstEncodableVideoCodec,
  Input,
  Mp4OutputFormat,
  Output,
  QUALITY_HIGH,
  VideoSample,
  VideoSampleSource,
  WEBM,
  WebMOutputFormat,
} from "mediabunny";
import { RecordingError } from "../errors";
import { GENERATED, inWords, type Provenance, RECORD_TAG, SOURCE_TYPE_TAG } from "../model/provenance";
import { RECORD_BOX } from "./clip-file";
import { enlarge, enlargement, type Pixels } from "./enlarge";
import { uuidBox, XMP_BOX } from "./mp4-box";
import { xmpPacket } from "./xmp";

export interface Clip {
  /** Appends a frame; frames are encoded in order, behind the page's back. */
  add(frame: Pixels): void;
  /** Ends the clip, which then says where it came from. @throws RecordingError when it is empty or the encoder failed */
  finish(provenance: Provenance): Promise<{ readonly video: Blob; readonly extension: "mp4" | "webm" }>;
  /** Ends it without a video. */
  cancel(): Promise<void>;
}

/**
 * @param width of every frame that will come
 * @param onFailure told once, when the encoder fails while frames come
 * @throws RecordingError when the browser encodes none of the formats
 */
export async function startClip(
  width: number,
  height: number,
  frameRate: number,
  onFailure: () => void = () => undefined,
): Promise<Clip> {
  const factor = enlargement(width, height);
  const size = { width: width * factor, height: height * factor };
  const codec = await getFirstEncodableVideoCodec(["avc", "vp8", "vp9"], { ...size, quality: QUALITY_HIGH });
  if (!codec)
    throw new RecordingError("Clip: this browser encodes neither H.264 nor VP8 nor VP9. Try another browser.");
  const extension = codec === "avc" ? "mp4" : "webm";
  const target = new BufferTarget();
  const output = new Output({ format: codec === "avc" ? new Mp4OutputFormat() : new WebMOutputFormat(), target });
  const source = new VideoSampleSource({ codec, quality: QUALITY_HIGH });
  output.addVideoTrack(source, { frameRate });
  await output.start();

  let frames = 0;
  let failure: Error | undefined;
  let encoded = Promise.resolve();
  const encode = async (frame: Pixels, index: number) => {
    const { rgba, width: codedWidth, height: codedHeight } = enlarge(frame, factor);
    const timestamp = index / frameRate;
    const sample = new VideoSample(rgba, {
      format: "RGBA",
      codedWidth,
      codedHeight,
      timestamp,
      duration: 1 / frameRate,
    });
    await source.add(sample).finally(() => sample.close());
  };
  return {
    add(frame) {
      const index = frames++;
      encoded = encoded
        .then(() => (failure ? undefined : encode(frame, index)))
        .catch((error: Error) => {
          failure = error;
          onFailure();
        });
    },
    async finish(provenance) {
      await encoded;
      if (failure) throw new RecordingError(`Clip: the encoder failed (${failure.message}). Try a shorter clip.`);
      if (frames === 0) {
        await output.cancel();
        throw new RecordingError(
          "Clip: no frame was made while recording, so there is none. Record while the world runs.",
        );
      }
      await output.finalize();
      if (!target.buffer) throw new RecordingError("Clip: the encoder gave no video. Try again.");
      const video = new Blob([target.buffer], { type: `video/${extension}` });
      const marked =
        extension === "mp4"
          ? new Blob([video, ...mp4Marks(provenance)], { type: video.type })
          : await markWebM(video, provenance);
      return { video: marked, extension };
    },
    cancel: () => output.cancel(),
  };
}

/** XMP for everybody, and our own record, each in a box of its own behind the film. */
export const mp4Marks = (provenance: Provenance): Uint8Array<ArrayBuffer>[] => [
  uuidBox(XMP_BOX, xmpPacket(provenance)),
  uuidBox(RECORD_BOX, JSON.stringify(provenance)),
];

/** WebM has its tags in front of the film, where they are only known once it is over: its packets are copied behind them. */
async function markWebM(video: Blob, provenance: Provenance): Promise<Blob> {
  const target = new BufferTarget();
  const raw = { [RECORD_TAG]: JSON.stringify(provenance), [SOURCE_TYPE_TAG]: GENERATED };
  const copying = await Conversion.init({
    input: new Input({ source: new BlobSource(video), formats: [WEBM] }),
    output: new Output({ format: new WebMOutputFormat(), target }),
    tags: { title: provenance.world, comment: inWords(provenance), raw },
    copy: { mode: "forced" },
    showWarnings: false,
  });
  await copying.execute();
  return new Blob([target.buffer ?? ""], { type: video.type });
}
