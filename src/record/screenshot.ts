/** One frame as a PNG, from the pixels the model made and not from the screen. */
import { RecordingError } from "../errors";
import { enlarge, enlargement, type Pixels } from "./enlarge";

/** @throws RecordingError when the browser can't encode it */
export async function screenshot(frame: Pixels): Promise<Blob> {
  const { rgba, width, height } = enlarge(frame, enlargement(frame.width, frame.height));
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (!context) throw new RecordingError("Screenshot: expected a 2D canvas, but this browser gave none.");
  context.putImageData(new ImageData(rgba, width, height), 0, 0);
  return canvas.convertToBlob({ type: "image/png" });
}
