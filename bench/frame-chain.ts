/** What a world shows over many ticks as one hash: each frame's is hashed with that of all before. */
import { sha256Hex } from "../src/model/hash";
import type { World } from "../src/model/world";

export interface Chain {
  readonly backend: string;
  readonly sha256: string;
}

/** Seed 1, start 0, every action weaving through its range. */
export async function chainOf(world: World, ticks: number): Promise<Chain> {
  await world.reset({ seed: 1, start: 0 });
  let sha256 = "";
  for (let tick = 0; tick < ticks; tick++) {
    const share = 0.5 + 0.5 * Math.sin(tick / 10);
    const { rgba } = await world.step(
      Float32Array.from(world.manifest.actions, ({ min, max }) => min + share * (max - min)),
    );
    const bytes = new Uint8Array(64 + rgba.length);
    bytes.set(new TextEncoder().encode(sha256));
    bytes.set(rgba, 64);
    sha256 = await sha256Hex(bytes);
  }
  const { name, threads, detail } = world.backend;
  return { backend: `${name} × ${threads}, ${detail}`, sha256 };
}
