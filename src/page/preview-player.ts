/**
 * Plays previews, each on a canvas: those that can be seen, at their own pace, over and over. A sheet is fetched when its
 * canvas first comes into view. Where motion isn't wanted one frame stands still.
 */
import type { Preview } from "./preview";

export interface PreviewPlayer {
  /** @param address of the sheet. @throws DOMException when it can't be fetched or read; asynchronously, to `failed` */
  add(canvas: HTMLCanvasElement, preview: Preview, address: string, failed: (error: Error) => void): void;
  /** Lets the pictures move, or stand still. */
  setMoving(moving: boolean): void;
}

interface Reel {
  readonly preview: Preview;
  readonly address: string;
  readonly failed: (error: Error) => void;
  sheet?: HTMLImageElement;
  shown?: number;
}

/** @param signal ends it */
export function createPreviewPlayer(signal: AbortSignal): PreviewPlayer {
  const reels = new Map<Element, Reel>();
  const inView = new Set<HTMLCanvasElement>();
  let moving = true;
  let request = 0;

  const draw = (canvas: HTMLCanvasElement, now: number) => {
    const reel = reels.get(canvas);
    if (!reel?.sheet) return;
    const { frames, columns, width, height, frameRate } = reel.preview;
    const index = moving ? Math.floor((now / 1000) * frameRate) % frames : (reel.shown ?? 0);
    if (index === reel.shown) return;
    reel.shown = index;
    const [x, y] = [(index % columns) * width, Math.floor(index / columns) * height];
    canvas.getContext("2d")?.drawImage(reel.sheet, x, y, width, height, 0, 0, width, height);
  };
  const play = (now: number) => {
    for (const canvas of inView) draw(canvas, now);
    request = moving && inView.size > 0 ? requestAnimationFrame(play) : 0; // none comes while the page is hidden
  };
  const update = () => {
    request ||= requestAnimationFrame(play);
  };
  const load = async (reel: Reel) => {
    const sheet = new Image();
    sheet.src = reel.address;
    await sheet.decode();
    reel.sheet = sheet;
    update();
  };
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const reel = reels.get(target);
      if (!reel || !(target instanceof HTMLCanvasElement)) continue;
      if (!isIntersecting) {
        inView.delete(target);
        continue;
      }
      if (!inView.has(target) && !reel.sheet) load(reel).catch((error: Error) => signal.aborted || reel.failed(error));
      inView.add(target);
    }
    update();
  });
  signal.addEventListener("abort", () => {
    observer.disconnect();
    cancelAnimationFrame(request);
    inView.clear();
    reels.clear();
  });

  return {
    add(canvas, preview, address, failed) {
      Object.assign(canvas, { width: preview.width, height: preview.height });
      reels.set(canvas, { preview, address, failed });
      observer.observe(canvas);
    },
    setMoving(is) {
      moving = is;
      update();
    },
  };
}
