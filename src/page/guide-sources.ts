/**
 * Where guides come from: camera, screen, video, image. Each asks for its permission when it is opened, and stops its
 * tracks and frees its file when it is closed. The scene is `grey-box.ts`'s.
 */
import { GuideError } from "../errors";
import type { Size } from "../view/fit";
import type { DrawGuide } from "./guide-canvas";
import type { GuideSource, OpenGuide } from "./guide-feed";
import { openPicture } from "./picture-file";

/**
 * @param isMirrored asked for every picture
 * @param camera of those that `cameras` finds; absent: the browser's choice, or the person's
 */
export function webcam(draw: DrawGuide, frameRate: number, isMirrored: () => boolean, camera?: string): OpenGuide {
  const size = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: frameRate } };
  const video = camera === undefined ? size : { ...size, deviceId: { exact: camera } };
  const ask = () => devices("camera").getUserMedia({ video });
  return (ended) => stream(ask, "camera", draw, isMirrored, ended);
}

/** The cameras there are, which browsers name only once one was allowed. */
export async function cameras(): Promise<MediaDeviceInfo[]> {
  return (await devices("camera").enumerateDevices()).filter(({ kind }) => kind === "videoinput");
}

/** A screen, a window or a tab, as the browser lets a person choose. */
export function screen(draw: DrawGuide, frameRate: number): OpenGuide {
  const ask = () => {
    const all = devices("screen");
    if (!("getDisplayMedia" in all)) {
      throw new GuideError("This browser can't share a screen; those of phones can't. Try it on a computer.");
    }
    return all.getDisplayMedia({ video: { frameRate: { ideal: frameRate } } });
  };
  return (ended) => stream(ask, "screen", draw, () => false, ended);
}

/** A film in a loop, without its sound; it waits while the world stands still. */
export function videoFile(file: Blob, draw: DrawGuide): OpenGuide {
  return async () => {
    const url = URL.createObjectURL(file);
    const video = makeVideo();
    video.loop = true;
    try {
      await new Promise<void>((resolve, reject) => {
        video.onloadeddata = () => resolve();
        video.onerror = () => reject(new GuideError(unreadable(file)));
        video.src = url;
      });
      if (video.videoWidth === 0) throw new GuideError("Expected a video, got a sound without a picture.");
    } catch (error) {
      URL.revokeObjectURL(url);
      throw error;
    }
    const play = () => video.play().catch(() => undefined); // paused again before it began
    return {
      next: newest(video, draw),
      run: (runs) => void (runs ? play() : video.pause()),
      close() {
        video.onerror = null; // an empty address is one
        video.removeAttribute("src");
        video.load();
        URL.revokeObjectURL(url);
      },
    };
  };
}

/** One picture, shown once. */
export function imageFile(file: Blob, size: Size): OpenGuide {
  return async () => {
    const picture = await openPicture(file);
    const rgb = picture.rgb(size, 0.5);
    picture.close();
    let shown = false;
    return {
      next(again) {
        const isNew = again || !shown;
        shown = true;
        return isNew ? rgb : undefined;
      },
      close: () => undefined,
    };
  };
}

type Device = "camera" | "screen";

/** @throws GuideError */
function devices(device: Device): MediaDevices {
  const found = navigator.mediaDevices as MediaDevices | undefined;
  if (found) return found;
  throw new GuideError(`A browser gives a page the ${device} only over https. Open this page over https.`);
}

async function stream(
  ask: () => Promise<MediaStream>,
  device: Device,
  draw: DrawGuide,
  isMirrored: () => boolean,
  ended: (why: Error) => void,
): Promise<GuideSource> {
  const media = await ask().catch((error: Error) => {
    throw error instanceof GuideError ? error : new GuideError(refusals[error.name]?.[device] ?? error.message);
  });
  const stop = () => media.getTracks().forEach((track) => void track.stop());
  const [track] = media.getVideoTracks();
  track?.addEventListener("ended", () => ended(new GuideError(ENDED[device]))); // not told of our own `stop`
  const video = makeVideo();
  video.srcObject = media;
  try {
    await video.play();
  } catch (error) {
    stop();
    throw error;
  }
  const close = () => {
    stop();
    video.srcObject = null;
  };
  return { next: newest(video, draw, isMirrored), close };
}

const makeVideo = () => Object.assign(document.createElement("video"), { muted: true, playsInline: true });

/** Whether a video has gone on is told by the frames that it has shown so far. */
function newest(video: HTMLVideoElement, draw: DrawGuide, isMirrored = () => false): GuideSource["next"] {
  let shown = -1;
  return (again) => {
    const { totalVideoFrames } = video.getVideoPlaybackQuality();
    const isNew = again || totalVideoFrames !== shown;
    if (!isNew || video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return undefined;
    shown = totalVideoFrames;
    return draw(video, { width: video.videoWidth, height: video.videoHeight }, isMirrored());
  };
}

const ENDED: Record<Device, string> = {
  camera: "The camera has ended: it was unplugged, or its permission taken back. Choose it again.",
  screen: "Sharing has ended. Choose what to share again.",
};

/** By the name of the browser's error. */
const refusals: Partial<Record<string, Record<Device, string>>> = {
  NotAllowedError: {
    camera: "The camera wasn't allowed. Allow it for this page in the browser's address bar, then choose it again.",
    screen: "Nothing was shared: it was called off, or isn't allowed. Choose it again to share something.",
  },
  NotFoundError: {
    camera: "No camera was found. Connect one, then choose it again.",
    screen: "There was nothing to share. Try another screen, window or tab.",
  },
  OverconstrainedError: {
    camera: "That camera isn't there any more. Choose another one.",
    screen: "There was nothing to share. Try another screen, window or tab.",
  },
  NotReadableError: {
    camera: "The camera can't be read: another program may be using it. Close that, then choose it again.",
    screen:
      "The system doesn't let the browser record the screen. Allow it in the system's settings, then choose it again.",
  },
};

function unreadable({ type }: Blob): string {
  const kind = type ? ` (${type})` : "";
  return `This browser can't play the file${kind}: it is damaged or of another kind. Save it as MP4 (H.264) or WebM.`;
}
