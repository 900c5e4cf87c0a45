/**
 * Puts frames on the page's canvas: with three.js where the browser has WebGL, else with a plain 2D canvas (browsers
 * without a GPU often have no WebGL at all). Sizes the canvas; draws only when a frame arrives or the box changes.
 */
import { createCanvasSurface } from "./canvas-surface";
import { fitInto, type Size } from "./fit";

export type Filter = "smooth" | "nearest";

/** RGBA, row by row from the top left, uint8 [height, width, 4]. */
export interface Picture extends Size {
  readonly rgba: Uint8ClampedArray<ArrayBuffer>;
}

/** One way to draw. */
export interface Surface {
  readonly kind: View["kind"];
  /** Called with every new picture; the surface may keep it until the next one. */
  show(picture: Picture, filter: Filter): void;
  /** The canvas now has another size, in CSS pixels. */
  resize(size: Size, pixelRatio: number): void;
  /** Gives back what the GPU holds. */
  close(): void;
}

export interface View {
  /** What draws, in words for the HUD. */
  readonly kind: "WebGL" | "WebGL in software" | "2D canvas";
  draw(picture: Picture): void;
  setFilter(filter: Filter): void;
  /** Nothing is drawn any more, and the GPU's memory is given back. The canvas can't be used again. */
  close(): void;
}

/** @param box the element that the picture should fill; the canvas lies in it */
export async function createView(canvas: HTMLCanvasElement, box: HTMLElement, initial: Filter): Promise<View> {
  const context = canvas.getContext("webgl2", { antialias: false, alpha: false, depth: false, stencil: false });
  let newest: Picture | undefined;
  let filter = initial;
  const redraw = () => newest && surface.show(newest, filter);
  const surface: Surface = context
    ? (await import("./texture-surface")).createTextureSurface(canvas, context, redraw)
    : createCanvasSurface(canvas);

  const arrange = () => {
    if (!newest) return;
    const size = fitInto(newest, { width: box.clientWidth, height: box.clientHeight });
    canvas.style.width = `${size.width}px`;
    canvas.style.height = `${size.height}px`;
    surface.resize(size, window.devicePixelRatio);
    redraw();
  };
  const observer = new ResizeObserver(arrange); // also fires on full screen and on a turned phone
  observer.observe(box);

  return {
    kind: surface.kind,
    draw(picture) {
      const same = newest?.width === picture.width && newest.height === picture.height;
      newest = picture;
      if (same) redraw();
      else arrange();
    },
    setFilter(next) {
      filter = next;
      redraw();
    },
    close() {
      newest = undefined;
      observer.disconnect();
      surface.close();
    },
  };
}
