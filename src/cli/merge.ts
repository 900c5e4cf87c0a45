/** `worldloop merge`: makes one dataset of the shards of a plan; numbers and metadata are made anew. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkSamePlan, episodesOf, formatPlan, type Plan } from "../collect/plan";
import { PLAN_FILE, readPlan } from "../collect/staging";
import { readDataset, writeDataset } from "../dataset/dataset";
import type { StoredEpisode } from "../dataset/episode";
import { writeFolder } from "../dataset/out-folder";
import { DatasetError } from "../errors";
import { findWorld } from "../model/node-runtime";
import { placeSource } from "../model/node-source";
import { openPackage } from "../model/package";
import type { ProgressBar } from "./progress-bar";

export interface MergeOptions {
  readonly out: string;
  /** Take what is there, though episodes are missing. */
  readonly partial?: boolean;
}

/** @returns the line to print. @throws DatasetError, OutputError, having written nothing */
export async function merge(shards: readonly string[], options: MergeOptions, progress: ProgressBar): Promise<string> {
  const { plan, episodes } = await readShards(shards);
  const whole: Plan = { ...plan, shard: { index: 0, of: 1 } };
  const missing = episodesOf(whole).length - episodes.length;
  if (missing > 0 && !options.partial) {
    throw new DatasetError(
      `expected all ${whole.episodes} episodes of the plan, got ${episodes.length}; collect the other shards, or add --partial`,
    );
  }
  const { manifest, sha256 } = await openPackage(await placeSource(findWorld(plan.folder ?? plan.world)));
  if (sha256 !== plan.packageSha256) {
    throw new DatasetError(
      `${plan.world}: expected the package ${plan.packageSha256}, got ${sha256}; use the same version`,
    );
  }
  let done = 0;
  try {
    await writeFolder(options.out, false, async (folder) => {
      await writeDataset(folder, { format: plan.format, manifest, episodes }, () => {
        done += 1;
        progress.show(done, episodes.length);
      });
      await writeFile(join(folder, PLAN_FILE), formatPlan(whole));
    });
  } finally {
    progress.end();
  }
  return `${episodes.length} episodes of ${shards.length} shards in ${options.out} (${plan.format})`;
}

/** Episodes in the order of their numbers, which must be there once. */
async function readShards(shards: readonly string[]): Promise<{ plan: Plan; episodes: StoredEpisode[] }> {
  const [first, ...others] = await Promise.all(shards.map(readPlan));
  if (!first) throw new DatasetError("merge: expected one or more datasets, got none");
  for (const [index, plan] of others.entries()) checkSamePlan(shards[index + 1] as string, first, plan, ["shard"]);
  const found = new Map<number, { shard: string; episode: StoredEpisode }>();
  for (const shard of shards) {
    for (const episode of await readDataset(shard, first.format)) {
      const { number } = episode.rollout.episode;
      const twice = found.get(number);
      if (twice) throw new DatasetError(`episode ${number}: expected it once, got it in ${twice.shard} and ${shard}`);
      found.set(number, { shard, episode });
    }
  }
  const episodes = [...found].sort(([a], [b]) => a - b).map(([, { episode }]) => episode);
  return { plan: first, episodes };
}
