/**
 * A world without weights, for tests and for working on the page: a point drives over a checkered plane. Small, but it
 * keeps the whole contract, and its picture depends on the seed, on every action and on the whole KV window.
 */

import { PromptError } from "../errors";
import { contractOf } from "./contract";
import { createWorld, type WorldOptions } from "./create-world";
import { emptyKv, type KvState, writeSlot } from "./kv-window";
import type { ActionSpec, Manifest } from "./manifest";
import { rgbaOf } from "./rgb";
import { normals } from "./rng";
import type { Action, Snapshot, World } from "./world";
import type { WorldModel } from "./world-model";

const pedal = (name: string, key: string, gamepad: ActionSpec["gamepad"]): ActionSpec => ({
  name,
  min: 0,
  max: 1,
  rest: 0,
  unit: "share of full deflection",
  keys: { [key]: 1 },
  gamepad,
});

const described = {
  schema: 1,
  name: "fake",
  title: "Checkered plane",
  description: "No network: a stand-in with the contract of a world.",
  picture: { width: 32, height: 24 },
  frameRate: 25,
  actions: [
    { ...pedal("steer", "ArrowRight", "leftX"), min: -1, keys: { ArrowLeft: -1, ArrowRight: 1 } },
    pedal("gas", "ArrowUp", "rightTrigger"),
    pedal("brake", "ArrowDown", "leftTrigger"),
  ],
  latent: { tokens: 1, channels: 4 }, // x, y (squares), heading (a slope), speed (squares per tick)
  kv: { layers: 1, tokens: 1, width: 1, sink: 1, memory: 1, window: 3, maxAge: 3 }, // a slot: heading and speed
  evaluations: 1,
  tick: { file: "tick.onnx", inputs: {}, outputs: {} },
  encoder: { file: "encoder.onnx", inputs: {}, outputs: {} },
  starts: ["A corner", "The middle"].map((title, i) => ({
    title,
    frames: 1,
    latents: `starts/${i}.latents`,
    actions: `starts/${i}.actions`,
    picture: `starts/${i}.rgb`,
  })),
  files: {},
  recordedFrom: { environment: "none", licence: "MIT", frames: 0 },
  metrics: {},
} satisfies Manifest;

const contract = contractOf(described);

export const FAKE_MANIFEST: Manifest = {
  ...described,
  tick: { ...described.tick, ...contract.tick },
  encoder: { ...described.encoder, ...contract.encoder },
};

export function createFakeWorld(options: WorldOptions = {}): World {
  return createWorld(fakeModel, options);
}

const packageSha256 = "0".repeat(64);

const fakeModel: WorldModel = {
  manifest: FAKE_MANIFEST,
  packageSha256,
  backend: { name: "fake", threads: 1 },
  async begin(beginning) {
    const { seed } = beginning;
    let latent = Float32Array.of(0, 0, 0, 0);
    let kv = emptyKv(FAKE_MANIFEST.kv);
    if ("start" in beginning) {
      latent.fill(4 * beginning.start, 0, 2);
      return stateOf(seed, 0, latent, kv);
    }
    const { frames, actions } = beginning.context;
    for (let i = 0; i < actions.length; i += 3) {
      latent = drive(latent, actions.subarray(i, i + 3), new Float32Array(4));
      kv = remember(kv, latent);
    }
    const { width, height } = FAKE_MANIFEST.picture;
    const last = frames.subarray(frames.length - width * height * 3);
    const state = stateOf(seed, 0, latent, kv);
    state.frame.rgba.set(rgbaOf(last));
    return state;
  },
  checkPrompt() {
    throw new PromptError("prompt: the fake world takes none; expected no prompt");
  },
  async advance({ seed, tick, latent, ...kv }, action) {
    const next = drive(latent, action, normals(seed, tick, 4));
    return stateOf(seed, tick + 1, next, remember(kv, next));
  },
  async close() {
    // Holds nothing that would have to be freed.
  },
};

const remember = (kv: KvState, latent: Float32Array) => writeSlot(kv, FAKE_MANIFEST.kv, latent.slice(2, 4));

function drive(latent: Float32Array, action: Action, noise: Float32Array): Float32Array<ArrayBuffer> {
  const [x = 0, y = 0, heading = 0, speed = 0] = latent;
  const [steer = 0, gas = 0, brake = 0] = action;
  const faster = Math.max(0, 0.95 * speed + 0.1 * gas - 0.1 * brake);
  const turned = heading + 0.2 * steer;
  const [dx = 0, dy = 0] = noise;
  return Float32Array.of(x + turned * faster + 0.05 * dx, y + faster + 0.05 * dy, turned, faster);
}

function stateOf(seed: number, tick: number, latent: Float32Array, kv: KvState): Snapshot {
  const { width, height } = FAKE_MANIFEST.picture;
  const { slots, written, passes } = kv;
  const frame = { rgba: draw(latent, kv, width, height), width, height, tick };
  return { packageSha256, seed, tick, latent, slots, written, passes, frame };
}

/** Squares under the point; red tells the heading, green the speed, blue the window's mean. */
function draw(latent: Float32Array, kv: KvState, width: number, height: number) {
  const [x = 0, y = 0, heading = 0, speed = 0] = latent;
  const rgba = new Uint8ClampedArray(width * height * 4);
  const memory = kv.slots.reduce((sum, slot) => sum + (slot ? (slot[0] ?? 0) + (slot[1] ?? 0) : 0), 0);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const at = 8 * x + column - width / 2;
      const ahead = 8 * y + height - row;
      const light = (Math.floor(at / 8) + Math.floor(ahead / 8)) % 2 === 0 ? 60 : 160;
      const pixel = 4 * (row * width + column);
      rgba[pixel] = light + 30 * heading;
      rgba[pixel + 1] = light + 60 * speed;
      rgba[pixel + 2] = light + 40 * memory;
      rgba[pixel + 3] = 255;
    }
  }
  return rgba;
}
