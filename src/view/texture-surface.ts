/**
 * Draws pictures with three.js: one textured plane that fills the canvas. Colours come out exactly as they went in:
 * texture and output are both declared linear, so nothing converts them on the way.
 */
import {
  DataTexture,
  LinearFilter,
  LinearSRGBColorSpace,
  Mesh,
  MeshBasicMaterial,
  NearestFilter,
  OrthographicCamera,
  PlaneGeometry,
  Scene,
  WebGLRenderer,
} from "three";
import type { Picture, Surface } from "./view";

/** @param onRestored called when the browser gives a lost context back: show the picture again */
export function createTextureSurface(
  canvas: HTMLCanvasElement,
  context: WebGL2RenderingContext,
  onRestored: () => void,
): Surface {
  const renderer = new WebGLRenderer({ canvas, context, antialias: false });
  const software = isSoftware(context);
  renderer.outputColorSpace = LinearSRGBColorSpace;
  const material = new MeshBasicMaterial({ toneMapped: false, depthTest: false, depthWrite: false });
  const plane = new PlaneGeometry(2, 2);
  const scene = new Scene().add(new Mesh(plane, material));
  const camera = new OrthographicCamera(-1, 1, 1, -1, -1, 1);
  let texture: DataTexture | undefined;

  /** A texture's size is fixed once it is on the GPU: another size needs another texture. */
  const textureFor = (picture: Picture): DataTexture => {
    if (texture?.image.width === picture.width && texture.image.height === picture.height) return texture;
    texture?.dispose();
    texture = new DataTexture(picture.rgba, picture.width, picture.height);
    texture.flipY = true; // rows come from the top
    material.map = texture;
    material.needsUpdate = true;
    return texture;
  };
  canvas.addEventListener("webglcontextrestored", onRestored);

  return {
    kind: software ? "WebGL in software" : "WebGL",
    show(picture, filter) {
      const shown = textureFor(picture);
      if (software && (canvas.width !== picture.width || canvas.height !== picture.height)) {
        renderer.setPixelRatio(1);
        renderer.setSize(picture.width, picture.height, false);
      }
      if (software) canvas.style.imageRendering = filter === "smooth" ? "auto" : "pixelated";
      shown.image.data = picture.rgba;
      shown.magFilter = filter === "smooth" ? LinearFilter : NearestFilter;
      shown.minFilter = LinearFilter;
      shown.needsUpdate = true;
      renderer.render(scene, camera);
    },
    resize(size, pixelRatio) {
      if (software) return; // the canvas keeps the picture's own size, and the browser scales it up
      renderer.setPixelRatio(pixelRatio);
      renderer.setSize(size.width, size.height, false);
    },
    close() {
      canvas.removeEventListener("webglcontextrestored", onRestored);
      texture?.dispose();
      material.dispose();
      plane.dispose();
      renderer.dispose();
      renderer.forceContextLoss(); // a browser keeps few contexts, and waits long before it takes one back
    },
  };
}

/** Whether a CPU stands in for the GPU: every pixel drawn then takes time from the model. */
function isSoftware(context: WebGL2RenderingContext): boolean {
  const info = context.getExtension("WEBGL_debug_renderer_info");
  const name: unknown = context.getParameter(info?.UNMASKED_RENDERER_WEBGL ?? context.RENDERER);
  return /swiftshader|llvmpipe|software/i.test(String(name));
}
