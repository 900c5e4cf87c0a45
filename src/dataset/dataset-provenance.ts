/**
 * What a dataset of dreamed episodes says about itself, in a file beside the data: no reader of LeRobot or of training
 * data looks there, so none stumbles over it. Each episode's own record is its rollout.
 */
import {
  episodesSha256,
  GENERATED,
  GENERATOR,
  inWords,
  type Provenance,
  RECORD_TAG,
  SOURCE_TYPE_TAG,
} from "../model/provenance";
import { type EpisodeRollout, lengthOf } from "./episode";
import { provenanceOf } from "./rollout-file";

/** At the top of the dataset's folder, and within each .npz. */
export const PROVENANCE_FILE = "provenance.json";

/** @param rollouts at least one */
export async function datasetProvenance(rollouts: readonly EpisodeRollout[]): Promise<Provenance> {
  const records: Provenance[] = [];
  for (const rollout of rollouts) records.push(await provenanceOf(rollout));
  const [first] = records;
  if (!first) throw new RangeError("A dataset has one episode or more.");
  const engines = new Set(records.map(({ engine }) => JSON.stringify(engine)));
  return {
    ...{ schema: 1, kind: "dataset", generator: GENERATOR, digitalSourceType: GENERATED },
    ...{ world: first.world, packageSha256: first.packageSha256 },
    engine: engines.size === 1 ? first.engine : { name: "several", threads: 1 },
    shots: [],
    episodes: {
      count: rollouts.length,
      frames: rollouts.reduce((sum, rollout) => sum + lengthOf(rollout), 0),
      sha256: await episodesSha256(records.map(({ shots }) => shots[0]?.actionsSha256 ?? "")),
    },
  };
}

/** The record of an episode's video, which begins with the picture of the start. Its actions are in the rollout. */
export async function videoTags(rollout: EpisodeRollout): Promise<Record<string, string>> {
  const record = await provenanceOf(rollout);
  const clip: Provenance = { ...record, kind: "clip", shots: record.shots.map((shot) => ({ ...shot, from: 0 })) };
  return { comment: inWords(clip), [SOURCE_TYPE_TAG]: GENERATED, [RECORD_TAG]: JSON.stringify(clip) };
}

/** As a file. */
export const formatProvenance = (provenance: Provenance): string => `${JSON.stringify(provenance, null, 2)}\n`;
