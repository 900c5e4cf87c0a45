/**
 * The world model of a package: its graphs, run by an engine (`engine.ts`). One step: what `conditioning.ts` puts together goes in; a
 * picture, the next latent and a new slot of the KV window come out.
 */

import { PromptError, ResetError, StateError } from "../errors";
import { createConditioning, type TickInputs } from "./conditioning";
import { encoded, startBytes } from "./contract";
import type { Engine } from "./engine";
import type { GraphSession, TensorData } from "./graph-session";
import { emptyKv, type KvState, writeSlot } from "./kv-window";
import type { WorldPackage } from "./package";
import { parseWords } from "./prompt";
import { rgbaOf } from "./rgb";
import type { Action, Context, Frame, Snapshot } from "./world";
import type { WorldModel } from "./world-model";

interface History {
  readonly latents: readonly Float32Array[];
  readonly actions: readonly Action[];
  readonly picture: Uint8Array;
}

/**
 * Makes the tick's session; the encoder's is made when the first context comes.
 * @throws BackendError, ShapeError, UnsupportedGraphError
 */
export async function createNetworkModel(opened: WorldPackage, engine: Engine): Promise<WorldModel> {
  const { manifest, sha256 } = opened;
  const words = manifest.prompt && parseWords(await opened.read(manifest.prompt.file), manifest.prompt.width);
  const conditioning = createConditioning(manifest, words);
  const tick = await sessionOf(manifest.tick);
  let encoder: GraphSession | null = null;

  async function sessionOf(spec: typeof manifest.tick): Promise<GraphSession> {
    return engine.createSession(await opened.read(spec.file), spec);
  }

  /** One run of the graph, and the window after it. */
  async function pass(window: KvState, inputs: TickInputs) {
    const results = await tick.run(inputs);
    return { results, window: writeSlot(window, manifest.kv, floats(results, "slot")) };
  }

  async function historyOfStart(index: number): Promise<History> {
    const start = manifest.starts[index] as (typeof manifest.starts)[number];
    const bytes = startBytes(manifest, start);
    const split = async (path: string, total: number, count: number) => {
      const values = new Float32Array((await opened.read(path)).slice().buffer);
      return Array.from({ length: count }, (_, i) =>
        values.slice((i * total) / 4 / count, ((i + 1) * total) / 4 / count),
      );
    };
    const [latents, actions, picture] = await Promise.all([
      split(start.latents, bytes.latents, start.frames),
      split(start.actions, bytes.actions, start.frames - 1),
      opened.read(start.picture),
    ]);
    return { latents, actions, picture };
  }

  async function historyOfContext({ frames, actions }: Context): Promise<History> {
    encoder ??= await sessionOf(manifest.encoder);
    const size = manifest.picture.width * manifest.picture.height * 3;
    const count = frames.length / size;
    const pictures = Array.from({ length: count }, (_, i) => frames.slice(i * size, (i + 1) * size));
    const latents: Float32Array[] = [];
    for (const [i, picture] of pictures.entries()) {
      const given: Record<string, Uint8Array> = { picture, before: pictures[Math.max(0, i - 1)] as Uint8Array };
      const inputs = Object.fromEntries(encoded(manifest).map((name) => [name, given[name] as Uint8Array]));
      const latent = floats(await encoder.run(inputs), "latent");
      if (!latent.every(Number.isFinite)) {
        throw new ResetError(
          `context, picture ${i}: expected one that the world's encoder can read, got NaN or infinity from it. Take pictures like the world's own.`,
        );
      }
      latents.push(latent);
    }
    const a = manifest.actions.length;
    return {
      latents,
      actions: Array.from({ length: count - 1 }, (_, i) => actions.slice(i * a, (i + 1) * a)),
      picture: pictures[count - 1] as Uint8Array,
    };
  }

  return {
    manifest,
    packageSha256: sha256,
    get backend() {
      return engine.backend;
    },
    async begin(beginning) {
      const { latents, actions, picture } =
        "context" in beginning ? await historyOfContext(beginning.context) : await historyOfStart(beginning.start);
      let window = emptyKv(manifest.kv);
      for (const [i, action] of actions.entries()) {
        const inputs = conditioning.ofHistory(window, latents[i] as Float32Array, action);
        window = (await pass(window, inputs)).window;
      }
      const latent = latents[latents.length - 1] as Float32Array;
      checkFinite(latent, 0);
      const frame = { ...manifest.picture, rgba: rgbaOf(picture), tick: 0 };
      return { packageSha256: sha256, seed: beginning.seed, tick: 0, latent, frame, ...window };
    },
    checkPrompt(prompt) {
      if (!words) throw new PromptError(`prompt: ${manifest.name} takes none; expected no prompt`);
      return words.encode(prompt).text;
    },
    async advance(state, action) {
      const number = state.tick + 1;
      const { results, window } = await pass(state, conditioning.ofStep(state, action));
      const latent = floats(results, "latent_next");
      checkFinite(latent, number);
      const rgba = new Uint8ClampedArray((results.rgba as Uint8Array<ArrayBuffer>).buffer);
      const frame: Frame = { ...manifest.picture, rgba, tick: number };
      return { ...state, ...window, tick: number, latent, frame } satisfies Snapshot;
    },
    async close() {
      await tick.close();
      await encoder?.close();
      encoder = null;
    },
  };
}

/** The manifest says that these are float32, and the session has been checked against it. */
const floats = (results: Readonly<Record<string, TensorData>>, name: string) => results[name] as Float32Array;

/** @throws StateError: better than a garbage picture */
function checkFinite(latent: Float32Array, tick: number): void {
  if (latent.every(Number.isFinite)) return;
  throw new StateError(
    `Tick ${tick}: expected finite latents from the network, got NaN or infinity. Rewind or reset; if it comes back from a start of the package, the package is broken.`,
  );
}
