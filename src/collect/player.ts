/** Plays episodes of one plan, one after another, on a model session of its own. Where they go is the caller's. */

import { createHash } from "node:crypto";
import { type NamedAction, nameAction } from "../action/action";
import { type Episode, packEpisode } from "../dataset/episode";
import { countValues, emptyHistogram, encodePicture } from "../dataset/picture";
import { markOf } from "../dataset/rollout-file";
import { CollectError } from "../errors";
import type { Precision } from "../model/engine-choice";
import { type OpenedNodeWorld, openWorldNode, type WorldPlace } from "../model/node-runtime";
import { promptWith, type Told } from "../model/prompt";
import { rgbOf } from "../model/rgb";
import type { Action } from "../model/world";
import { beginningOf, type Plan, toldOf } from "./plan";
import { openPolicy, type Policy } from "./policy";

/** Of onnxruntime: sessions run side by side, one a core. */
const THREADS = 1;

export interface Player {
  /**
   * @param onFrame as in `EpisodeSpec`
   * @returns a packed episode (`dataset/episode.ts`). @throws PolicyError, StateError
   */
  play(episode: number, onFrame?: EpisodeSpec["onFrame"]): Promise<Uint8Array<ArrayBuffer>>;
  close(): Promise<void>;
}

/** @throws CollectError when the world here isn't the plan's, PolicyError, and what opening a world throws */
export async function openPlayer(plan: Plan): Promise<Player> {
  const where = plan.folder ?? plan.world;
  const opened = await openWorldNode(where, {
    engine: plan.engine ?? "ort",
    precision: plan.precision,
    threads: THREADS,
    timelineCapacity: 0,
  });
  let policy: Policy;
  try {
    const found = opened.package.sha256;
    if (found !== plan.packageSha256) {
      throw new CollectError(
        `${where}: expected the package ${plan.packageSha256}, got ${found}; copy the same version`,
      );
    }
    policy = await openPolicy(plan.policy, opened.world.manifest, plan.policySha256);
  } catch (error) {
    await opened.world.close();
    throw error;
  }
  return {
    async play(number, onFrame) {
      const beginning = beginningOf(plan, number, opened.world.manifest.starts.length);
      await policy.begin({ number, seed: beginning.seed });
      const episode = await playEpisode(opened, policy, {
        ...beginning,
        number,
        frames: plan.frames,
        precision: plan.precision,
        told: toldOf(plan, number),
        place: { world: plan.world, ...(plan.folder === undefined ? {} : { folder: plan.folder }) },
        ...(onFrame && { onFrame }),
      });
      return packEpisode(episode);
    },
    async close() {
      await policy.close();
      await opened.world.close();
    },
  };
}

/** In words: the world, and what it was told. */
const taskOf = (title: string, told: readonly Told[]): string =>
  told.length === 0 ? title : `${title}: ${told.map(({ text }) => text).join("; then ")}`;

export interface EpisodeSpec {
  readonly number: number;
  readonly seed: number;
  readonly start: number;
  /** The start's picture included. */
  readonly frames: number;
  readonly place: WorldPlace;
  /** What the world is told on the way; absent: nothing. */
  readonly told?: readonly Told[];
  /** Of our own engine, where it plays. */
  readonly precision?: Precision | undefined;
  /** Called with each frame, uint8 [H, W, 3], not to be kept. @throws what it throws ends the episode */
  readonly onFrame?: (frame: { readonly tick: number; readonly rgb: Uint8Array }) => void;
}

/** The policy sees frame t and gives action t, which leads to frame t + 1; the last action leads nowhere. */
export async function playEpisode(
  { world, package: opened, engine }: OpenedNodeWorld,
  policy: Pick<Policy, "act">,
  { number, seed, start, frames, place, precision, told = [], onFrame }: EpisodeSpec,
): Promise<Episode> {
  const { manifest } = world;
  const pictures: Uint8Array[] = [];
  const actions: NamedAction[] = [];
  const vectors: Action[] = [];
  const frameHashes: string[] = [];
  const histogram = emptyHistogram();
  let frame = await world.reset({ seed, start });
  for (;;) {
    const rgb = rgbOf(frame.rgba);
    pictures.push(encodePicture(rgb, manifest.picture));
    countValues(rgb, histogram);
    if (frame.tick > 0) frameHashes.push(createHash("sha256").update(rgb).digest("hex"));
    const action = await policy.act(rgb);
    onFrame?.({ tick: frame.tick, rgb });
    const named = nameAction(action, manifest.actions);
    if (pictures.length < frames) {
      actions.push(named);
      vectors.push(action.slice());
      frame = await world.step(action, promptWith(told, frame.tick + 1));
      continue;
    }
    const { name: backend, threads } = world.backend;
    const rollout = {
      ...{ schema: 1 as const, ...place },
      ...{ packageSha256: opened.sha256, seed, start, actions, frameHashes, backend, threads },
      ortVersion: engine.version,
      ...(precision === undefined || precision === "float32" ? {} : { precision }),
      ...(await markOf(vectors, told)),
      episode: { number, task: taskOf(manifest.title, told), lastAction: named, histogram },
    };
    return { rollout, pictures };
  }
}
