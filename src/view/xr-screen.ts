/**
 * The picture on a curved screen in front of whoever wears a headset: flat pictures of one eye, so both eyes see the same.
 * The browser's session comes from outside, since it wants a click; loaded when one is there.
 */
import {
  BackSide,
  Color,
  CylinderGeometry,
  DataTexture,
  LinearFilter,
  Mesh,
  MeshBasicMaterial,
  NearestFilter,
  PerspectiveCamera,
  RepeatWrapping,
  Scene,
  SRGBColorSpace,
  WebGLRenderer,
} from "three";
import type { Size } from "./fit";
import type { Filter, Picture } from "./view";

/** m. Far enough to be looked at at ease, near enough to fill some 60 degrees. */
const DISTANCE = 2.2;
const WIDTH = 2.4;
const HIGHEST = 1.8;

/** Size of the screen in metres, of the picture's aspect. */
export function screenSize(picture: Size): Size {
  const height = Math.min(HIGHEST, (WIDTH * picture.height) / picture.width);
  return { width: (height * picture.width) / picture.height, height };
}

export interface XrScreen {
  draw(picture: Picture, filter: Filter): void;
  /** Takes the screen down; ending the session does it too. */
  close(): void;
}

/** @param onFrame called for each picture of the headset, after it has been drawn */
export async function createXrScreen(session: XRSession, onFrame: () => void): Promise<XrScreen> {
  const renderer = new WebGLRenderer({ antialias: true });
  renderer.xr.enabled = true;
  renderer.xr.setReferenceSpaceType("local"); // its origin is where the head is: the screen hangs straight ahead
  await renderer.xr.setSession(session);
  const scene = new Scene();
  scene.background = new Color(0x07090d);
  const material = new MeshBasicMaterial({ side: BackSide, toneMapped: false });
  const screen = new Mesh(new CylinderGeometry(), material);
  const camera = new PerspectiveCamera();
  let texture: DataTexture | undefined;

  const textureFor = (picture: Picture): DataTexture => {
    if (texture?.image.width === picture.width && texture.image.height === picture.height) return texture;
    texture?.dispose();
    texture = new DataTexture(picture.rgba, picture.width, picture.height);
    texture.colorSpace = SRGBColorSpace;
    texture.flipY = true; // rows come from the top
    texture.wrapS = RepeatWrapping;
    texture.repeat.x = -1; // seen from inside the cylinder
    texture.minFilter = LinearFilter;
    material.map = texture;
    material.needsUpdate = true;
    const { width, height } = screenSize(picture);
    const angle = width / DISTANCE;
    screen.geometry.dispose();
    // An angle of π is straight ahead.
    screen.geometry = new CylinderGeometry(DISTANCE, DISTANCE, height, 48, 1, true, Math.PI - angle / 2, angle);
    scene.add(screen);
    return texture;
  };
  renderer.setAnimationLoop(() => {
    renderer.render(scene, camera);
    onFrame();
  });
  const close = () => {
    renderer.setAnimationLoop(null);
    texture?.dispose();
    screen.geometry.dispose();
    material.dispose();
    renderer.dispose();
  };
  session.addEventListener("end", close, { once: true });
  return {
    draw(picture, filter) {
      const shown = textureFor(picture);
      shown.image.data = picture.rgba;
      shown.magFilter = filter === "smooth" ? LinearFilter : NearestFilter;
      shown.needsUpdate = true;
    },
    close,
  };
}
