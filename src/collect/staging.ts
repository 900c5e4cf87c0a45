/**
 * Finished episodes on their way into a dataset: one packed file each in DIR/.collect, which appears whole or not at
 * all. The dataset is made from them anew each time; they go when it is complete.
 */
import { mkdir, readdir, readFile, rename, rm, stat, statfs, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { writeDataset } from "../dataset/dataset";
import { type StoredEpisode, unpackEpisode } from "../dataset/episode";
import { inNewFolder, listOutFolder, onDisk, unwritable } from "../dataset/out-folder";
import { readStored } from "../dataset/stored-file";
import { DatasetError, OutputError } from "../errors";
import type { Manifest } from "../model/manifest";
import { checkSamePlan, formatPlan, type Plan, parsePlan } from "./plan";

/** The plan, in the staging folder and in the finished dataset. */
export const PLAN_FILE = "worldloop.json";
const FOLDER = ".collect";
const SPARE_BYTES = 4e6; // for metadata
const RESUME = "what was finished is kept: make room, then go on with --resume";

export interface Staging {
  /** Numbers of the episodes that are there. */
  readonly done: ReadonlySet<number>;
  /** Keeps a packed episode; one that is there already is left as it is. @throws OutputError when the disk is full */
  add(packed: Uint8Array): Promise<void>;
  /** Makes the dataset of what is there, in place of an earlier one; does nothing when nothing is. @throws OutputError when the disk is full */
  assemble(onEpisode?: () => void): Promise<void>;
  /** Removes the staging folder. */
  clear(): Promise<void>;
}

/**
 * @param out the dataset's folder: new or empty, or with `resume` one that was begun by the same plan
 * @returns null when the dataset is complete already
 * @throws DatasetError, OutputError, nothing having been written
 */
export async function openStaging(
  out: string,
  plan: Plan,
  manifest: Manifest,
  resume: boolean,
): Promise<Staging | null> {
  const folder = join(out, FOLDER);
  const entries = await listOutFolder(out);
  const begun = entries.includes(FOLDER);
  if (entries.length > 0) {
    if (!resume) {
      const hint = begun ? "go on with --resume, or choose another" : "choose another";
      throw new OutputError(`--out ${out}: expected an empty or new folder, got ${entries.length} entries; ${hint}`);
    }
    const before = await readPlan(begun ? folder : out);
    checkSamePlan(`--resume ${out}`, plan, before);
    if (!begun) return null;
  } else {
    await onDisk(out, "choose another", () => inNewFolder(resolve(out), () => begin(folder, plan)));
  }
  return readStaging({ out, folder, plan, manifest });
}

async function begin(folder: string, plan: Plan): Promise<void> {
  await mkdir(folder);
  try {
    await writeFile(join(folder, PLAN_FILE), formatPlan(plan));
  } catch (error) {
    await rm(folder, { recursive: true }); // without its plan it could not be resumed
    throw error;
  }
}

/** Of a dataset, or of one that was begun. @throws DatasetError */
export async function readPlan(folder: string): Promise<Plan> {
  const path = join(folder, PLAN_FILE);
  const text = await readFile(path, "utf8").catch((error: Error) => {
    throw new DatasetError(`${folder}: expected a dataset of collect, got ${error.message}`, { cause: error });
  });
  return parsePlan(path, text);
}

interface StagingOptions {
  readonly out: string;
  readonly folder: string;
  readonly plan: Plan;
  readonly manifest: Manifest;
}

async function readStaging({ out, folder, plan, manifest }: StagingOptions): Promise<Staging> {
  const names = (await readdir(folder)).filter((name) => /^\d{6,}\.episode$/.test(name)); // others were cut short, or are strangers
  const done = new Set(names.map((name) => Number.parseInt(name, 10)));
  const { width, height } = manifest.picture;
  const raw = plan.frames * (width * height * 3 + manifest.actions.length * 4 + 1);
  /** What the dataset will need for an episode of this packed size, at most. */
  const needed = (packed: number) => (plan.format === "npz" ? raw : packed);
  let dataset = 0;
  for (const name of names) dataset += needed((await stat(join(folder, name))).size);

  return {
    done,
    async add(packed) {
      const { number } = unpackEpisode("episode", packed).rollout.episode;
      if (done.has(number)) return;
      const grown = dataset + needed(packed.length);
      const { bavail, bsize } = await statfs(folder);
      if (bavail * bsize < packed.length + grown + SPARE_BYTES) throw unwritable(out, "a full disk", RESUME);
      const path = join(folder, fileOf(number));
      await onDisk(out, RESUME, async () => {
        try {
          await writeFile(`${path}.partial`, packed, { flush: true });
          await rename(`${path}.partial`, path);
        } finally {
          await rm(`${path}.partial`, { force: true }); // a full disk is no place for it
        }
      });
      done.add(number);
      dataset = grown;
    },
    async assemble(onEpisode) {
      if (done.size === 0) return;
      const fresh = join(folder, "dataset");
      const numbers = [...done].sort((a, b) => a - b);
      const episodes: StoredEpisode[] = [];
      for (const number of numbers) episodes.push(await stored(folder, number)); // one in memory at a time
      const discard = () => rm(fresh, { recursive: true, force: true });
      await onDisk(out, RESUME, async () => {
        await discard(); // of an assembly that was cut short
        try {
          await mkdir(fresh);
          await writeDataset(fresh, { format: plan.format, manifest, episodes }, onEpisode);
          await writeFile(join(fresh, PLAN_FILE), formatPlan(plan));
          for (const name of await readdir(fresh)) {
            await rm(join(out, name), { recursive: true, force: true });
            await rename(join(fresh, name), join(out, name));
          }
        } finally {
          await discard();
        }
      });
    },
    clear: () => rm(folder, { recursive: true }),
  };
}

const fileOf = (episode: number) => `${String(episode).padStart(6, "0")}.episode`;

/** The pictures are read again when they are wanted: a large dataset needs no more memory than its rollouts. */
async function stored(folder: string, number: number): Promise<StoredEpisode> {
  const path = join(folder, fileOf(number));
  const read = async () => unpackEpisode(path, await readStored(path));
  const { rollout } = await read();
  const got = rollout.episode.number;
  if (got !== number) {
    throw new DatasetError(`${path}: expected episode ${number}, got ${got}; delete it and collect it again`);
  }
  return { rollout, pictures: async () => (await read()).pictures };
}
