/**
 * Encoded pictures at the times of another video, with its sound: packets are copied from file to file, none is decoded.
 * Encoding the pictures: `src/cli/restyled-video.ts`.
 */
import {
  ALL_FORMATS,
  BlobSource,
  EncodedAudioPacketSource,
  EncodedPacketSink,
  EncodedVideoPacketSource,
  FilePathTarget,
  Input,
  type InputAudioTrack,
  Mp4OutputFormat,
  Output,
} from "mediabunny";
import { RecordingError } from "../errors";

/**
 * Writes `out` of the encoded pictures at their times, with all that is heard in `sound`.
 * @param out path of a file, in Node. @throws RecordingError where sound doesn't fit into an MP4
 */
export async function joinVideo(out: string, encoded: Blob, sound: Blob, times: readonly number[]): Promise<void> {
  const [pictures, original] = [encoded, sound].map(
    (file) => new Input({ source: new BlobSource(file), formats: ALL_FORMATS }),
  );
  const output = new Output({ format: new Mp4OutputFormat(), target: new FilePathTarget(out) });
  try {
    const video = await pictures?.getPrimaryVideoTrack();
    const codec = await video?.getCodec();
    if (!video || !codec) throw new RecordingError("Video: expected the encoded pictures, got none.");
    const source = new EncodedVideoPacketSource(codec);
    output.addVideoTrack(source);
    const copies = await Promise.all(
      ((await original?.getAudioTracks()) ?? []).map((track) => addSound(output, track)),
    );
    await output.start();
    const paint = async () => {
      const meta = { decoderConfig: (await video.getDecoderConfig()) as VideoDecoderConfig };
      let number = 0;
      for await (const packet of new EncodedPacketSink(video).packets()) {
        const timestamp = times[number] as number;
        const [before, after] = [times[number - 1] ?? timestamp - packet.duration, times[number + 1]];
        const duration = after === undefined ? timestamp - before : after - timestamp;
        await source.add(packet.clone({ timestamp, duration }), meta);
        number += 1;
      }
      source.close();
    };
    await Promise.all([paint(), ...copies.map((copy) => copy())]);
    await output.finalize();
  } catch (error) {
    await output.cancel();
    throw error;
  } finally {
    pictures?.dispose();
    original?.dispose();
  }
}

/** What copies the packets of a track, as they are. */
async function addSound(output: Output, track: InputAudioTrack) {
  const codec = await track.getCodec();
  if (!codec || !output.format.getSupportedAudioCodecs().includes(codec)) {
    throw new RecordingError(
      `Video: expected sound that an MP4 can hold, such as AAC or Opus, got ${codec ?? "another"}.`,
    );
  }
  const source = new EncodedAudioPacketSource(codec);
  output.addAudioTrack(source);
  return async () => {
    const meta = { decoderConfig: (await track.getDecoderConfig()) as AudioDecoderConfig };
    for await (const packet of new EncodedPacketSink(track).packets()) {
      await source.add(packet, meta);
    }
    source.close();
  };
}
