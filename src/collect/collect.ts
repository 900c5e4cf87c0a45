/** Collects what a plan still lacks: has episodes played, keeps each, and makes the dataset at the end or when stopped. */
import type { Manifest } from "../model/manifest";
import type { Executor } from "./executor";
import { episodesOf, type Plan } from "./plan";
import { openStaging } from "./staging";

export interface Collecting {
  readonly plan: Plan;
  readonly manifest: Manifest;
  /** The dataset's folder. */
  readonly out: string;
  readonly resume: boolean;
  readonly execute: Executor;
  /** Aborting it ends the collecting after the episodes under way. */
  readonly signal: AbortSignal;
  /** Called when an episode is done, and for each that was done before. */
  readonly onEpisode: (progress: { readonly done: number; readonly of: number }) => void;
}

/** @returns how many episodes the dataset holds now, of how many. @throws DatasetError, CollectError: what was finished is kept */
export async function collect(collecting: Collecting): Promise<{ readonly done: number; readonly of: number }> {
  const { plan, manifest, out, resume, execute, signal, onEpisode } = collecting;
  const wanted = episodesOf(plan);
  const staging = await openStaging(out, plan, manifest, resume);
  if (!staging) return { done: wanted.length, of: wanted.length };
  const progress = () => ({ done: staging.done.size, of: wanted.length });
  onEpisode(progress());
  const take = async (packed: Uint8Array) => {
    await staging.add(packed);
    onEpisode(progress());
  };
  try {
    const episodes = wanted.filter((episode) => !staging.done.has(episode));
    if (episodes.length > 0) await execute({ plan, episodes, take, signal });
  } finally {
    await staging.assemble(); // whatever stopped it, what was finished is a valid dataset
  }
  if (staging.done.size === wanted.length) await staging.clear();
  return progress();
}
