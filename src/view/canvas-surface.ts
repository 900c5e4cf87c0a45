/** Draws pictures without WebGL: a canvas of the picture's own size, which the browser scales up. */
import type { Surface } from "./view";

export function createCanvasSurface(canvas: HTMLCanvasElement): Surface {
  const context = canvas.getContext("2d", { alpha: false });
  if (!context) throw new TypeError("This canvas already draws in another way; a view needs one of its own.");
  return {
    kind: "2D canvas",
    show({ rgba, width, height }, filter) {
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
      canvas.style.imageRendering = filter === "smooth" ? "auto" : "pixelated";
      context.putImageData(new ImageData(rgba, width, height), 0, 0);
    },
    resize: () => undefined, // the style's size is all it takes
    close: () => undefined,
  };
}
