/** What steers while collecting. Each kind has its file; here is what they have in common, and which is which. */

import { checkAction } from "../action/action";
import { ActionError, PolicyError } from "../errors";
import type { Manifest } from "../model/manifest";
import type { Action } from "../model/world";
import { openOnnxPolicy } from "./onnx-policy";
import { createPictureDriver } from "./picture-driver";
import { createRandomPolicy } from "./random-policy";
import { openSocketPolicy } from "./socket-policy";

/** One at a time: `begin`, then `act` for each frame in turn. */
export interface Policy {
  /** An episode begins. What a policy draws must depend on its seed alone. */
  begin(episode: { readonly number: number; readonly seed: number }): void | Promise<void>;
  /** @param picture uint8 [H, W, 3], not to be kept. @returns in the order and units of the manifest's table */
  act(picture: Uint8Array): Action | Promise<Action>;
  close(): void | Promise<void>;
}

/** Drivers that look at a world's pictures, by its name. */
const SCRIPTED: Readonly<Record<string, () => Policy>> = { "car-racing": createPictureDriver };

/**
 * @param name random, scripted, onnx:FILE, ws://… or wss://…
 * @param sha256 what the file of onnx:FILE must have, when that is known
 * @throws PolicyError when there is no such policy for this world
 */
export async function openPolicy(name: string, manifest: Manifest, sha256?: string): Promise<Policy> {
  if (name === "random") return createRandomPolicy(manifest.actions);
  if (name.startsWith("onnx:")) return openOnnxPolicy(name.slice("onnx:".length), manifest, sha256);
  if (/^wss?:\/\//.test(name)) return openSocketPolicy(name, manifest);
  if (name !== "scripted") {
    throw new PolicyError(`--policy: expected random, scripted, onnx:FILE or ws://…, got "${name}"`);
  }
  const scripted = SCRIPTED[manifest.name];
  if (scripted) return scripted();
  throw new PolicyError(
    `--policy scripted: expected a world with a scripted driver (${Object.keys(SCRIPTED).join(", ")}), got ${manifest.name}; use random, onnx:FILE or ws://…`,
  );
}

/** An outsider's numbers as an action: clipped to the table, since networks overshoot. @throws PolicyError */
export function clipAction(where: string, values: ArrayLike<number>, { actions }: Manifest): Action {
  if (values.length !== actions.length) {
    throw new PolicyError(
      `${where}: expected ${actions.length} numbers (${actions.map(({ name }) => name).join(", ")}), got ${values.length}`,
    );
  }
  const clipped = Float32Array.from(actions, ({ min, max }, i) => Math.min(Math.max(values[i] as number, min), max));
  try {
    checkAction(clipped, actions);
  } catch (error) {
    if (!(error instanceof ActionError)) throw error;
    throw new PolicyError(`${where}: ${error.message}`, { cause: error }); // NaN
  }
  return clipped;
}
