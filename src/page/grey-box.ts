/**
 * A small scene to fly through and build in, drawn in plain colours at the world's size: a guide without a camera. Who
 * moves in it is up to `grey-box-controls.ts`. Lengths in metres. Loaded when it is chosen.
 */
import {
  Box3,
  BoxGeometry,
  type BufferGeometry,
  Color,
  DirectionalLight,
  ExtrudeGeometry,
  Group,
  HemisphereLight,
  Mesh,
  MeshLambertMaterial,
  type Object3D,
  PerspectiveCamera,
  PlaneGeometry,
  Raycaster,
  Scene,
  Shape,
  Vector2,
  Vector3,
  WebGLRenderer,
} from "three";
import { GuideError } from "../errors";
import type { Size } from "../view/fit";

export type Piece = "box" | "wall" | "ramp";

export interface GreyBox {
  /** Draws it, if anything has changed. @returns the canvas, to be read at once; undefined: nothing has */
  draw(again: boolean): HTMLCanvasElement | undefined;
  /** Metres to the right, up and ahead. */
  move(right: number, up: number, ahead: number): void;
  /** Radians to the left and up. */
  turn(left: number, up: number): void;
  /** Puts a piece on the ground ahead. */
  add(piece: Piece): void;
  /** Takes away what is in the middle of the picture. @returns false where there is nothing */
  remove(): boolean;
  /** Puts a glTF or GLB file on the ground ahead, without its textures. @throws GuideError */
  load(file: Blob): Promise<void>;
  /** Gives back what the GPU holds. */
  close(): void;
}

const AHEAD = 6; // m, of what is added
const EYES = 1.6; // m above the ground at first
const MODEL_SIZE = 4; // m, of a loaded model's longest side
const STEEPEST = 1.5; // rad: just short of straight up
const COLOURS = ["#c8553d", "#4f86c6", "#e0b13e", "#5a9e6f", "#8d6cab", "#d9cfc1"];

/** @throws GuideError where there is no WebGL */
export function createGreyBox({ width, height }: Size): GreyBox {
  const renderer = openRenderer();
  renderer.setPixelRatio(1);
  renderer.setSize(width, height, false);
  const scene = new Scene();
  scene.background = new Color("#bcd7ee");
  const sun = new DirectionalLight(0xffffff, 2);
  sun.position.set(3, 6, 2);
  const ground = new Mesh(new PlaneGeometry(200, 200), plain("#8a8f7c"));
  ground.rotation.x = -Math.PI / 2;
  const pieces = new Group();
  scene.add(new HemisphereLight(0xffffff, 0x777777, 1.5), sun, ground, pieces);
  const camera = new PerspectiveCamera(70, width / height, 0.05, 300);
  camera.rotation.order = "YXZ"; // turned first, then tilted
  camera.position.set(0, EYES, 0);
  let count = 0;
  let changed = true;
  let closed = false;

  const put = (thing: Object3D, distance = AHEAD) => {
    const { y } = camera.rotation;
    thing.position.x += camera.position.x - Math.sin(y) * distance;
    thing.position.z += camera.position.z - Math.cos(y) * distance;
    thing.rotation.y = y;
    pieces.add(thing);
    changed = true;
  };
  const add = (piece: Piece, distance?: number) => {
    put(new Mesh(SHAPES[piece](), plain(COLOURS[count++ % COLOURS.length] as string)), distance);
  };
  camera.rotation.y = 0.5;
  add("wall", 9);
  camera.rotation.y = -0.4;
  add("ramp", 7);
  camera.rotation.y = 0;
  add("box");

  return {
    draw(again) {
      if (!changed && !again) return undefined;
      changed = false;
      renderer.render(scene, camera);
      return renderer.domElement;
    },
    move(right, up, ahead) {
      if (right === 0 && up === 0 && ahead === 0) return;
      camera.translateX(right);
      camera.translateZ(-ahead);
      camera.position.y = Math.max(0.2, camera.position.y + up);
      changed = true;
    },
    turn(left, up) {
      if (left === 0 && up === 0) return;
      camera.rotation.y += left;
      camera.rotation.x = Math.min(STEEPEST, Math.max(-STEEPEST, camera.rotation.x + up));
      changed = true;
    },
    add,
    remove() {
      const ray = new Raycaster();
      camera.updateMatrixWorld();
      ray.setFromCamera(new Vector2(0, 0), camera);
      const hit = ray.intersectObject(pieces)[0]?.object;
      const piece = pieces.children.find((child) => isWithin(hit, child));
      if (!piece) return false;
      pieces.remove(piece);
      free(piece);
      changed = true;
      return true;
    },
    async load(file) {
      const model = await readModel(file);
      if (closed) free(model);
      else put(model);
    },
    close() {
      closed = true;
      free(scene);
      renderer.dispose();
      renderer.forceContextLoss(); // a browser keeps few contexts, and waits long before it takes one back
    },
  };
}

function openRenderer(): WebGLRenderer {
  try {
    return new WebGLRenderer({ antialias: true });
  } catch {
    throw new GuideError("The scene is drawn with WebGL, which this browser doesn't give. Choose another source.");
  }
}

const plain = (color: Color | string) => new MeshLambertMaterial({ color, flatShading: true });

/** Each stands on the ground. */
const SHAPES: Record<Piece, () => BufferGeometry> = {
  box: () => new BoxGeometry(1.5, 1.5, 1.5).translate(0, 0.75, 0),
  wall: () => new BoxGeometry(6, 3, 0.3).translate(0, 1.5, 0),
  ramp: () => {
    const side = new Shape([new Vector2(-2, 0), new Vector2(2, 0), new Vector2(2, 1.5)]);
    return new ExtrudeGeometry(side, { depth: 2, bevelEnabled: false }).translate(0, 0, -1);
  },
};

const isWithin = (object: Object3D | null | undefined, outer: Object3D): boolean =>
  object ? object === outer || isWithin(object.parent, outer) : false;

/** Its own colours, flat, scaled to `MODEL_SIZE`, standing on the ground. @throws GuideError */
async function readModel(file: Blob): Promise<Object3D> {
  const { GLTFLoader } = await import("three/addons/loaders/GLTFLoader.js");
  const loader = new GLTFLoader();
  loader.register(() => ({ name: "no textures", loadTexture: () => Promise.resolve(null as never) }));
  const { scene: model } = await loader.parseAsync(await file.arrayBuffer(), "").catch((error: Error) => {
    throw new GuideError(`Expected a glTF or GLB file with all that belongs to it inside: ${error.message}`);
  });
  model.traverse((part) => {
    if (!(part instanceof Mesh)) return;
    const old = [part.material].flat();
    part.material = plain(old[0]?.color ?? (COLOURS[0] as string));
    for (const material of old) material.dispose();
  });
  const box = new Box3().setFromObject(model);
  const size = box.getSize(new Vector3());
  const scale = MODEL_SIZE / Math.max(size.x, size.y, size.z);
  if (!Number.isFinite(scale)) throw new GuideError("Expected a scene with shapes in it, got one without.");
  const middle = box.getCenter(new Vector3());
  model.position.sub(new Vector3(middle.x, box.min.y, middle.z));
  const outer = new Group().add(model);
  outer.scale.setScalar(scale);
  return outer;
}

function free(root: Object3D): void {
  root.traverse((part) => {
    if (!(part instanceof Mesh)) return;
    part.geometry.dispose();
    for (const material of [part.material].flat()) material.dispose();
  });
}
