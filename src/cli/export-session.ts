/**
 * `worldloop export-session`: a session that a person played, as a dataset of one episode. The page's action log, its
 * share link with the drive in it, a saved session (the branch that it was left in), or a `rollout.json` is played again to get the pictures.
 */
import { parseAction } from "../action/action";
import { playEpisode } from "../collect/player";
import { writeDataset } from "../dataset/dataset";
import { packEpisode, unpackEpisode } from "../dataset/episode";
import { writeFolder } from "../dataset/out-folder";
import { parseRollout } from "../dataset/rollout-file";
import { checkVideo } from "../dataset/video";
import { AbortedError, RecordingError, ResetError, UnknownWorldError } from "../errors";
import type { Manifest } from "../model/manifest";
import { openWorldNode, placeOf } from "../model/node-runtime";
import type { Drive } from "../model/prompt";
import { readLogProvenance } from "../record/action-log";
import { checkSession, looksLikeSession, parseSession } from "../record/session-file";
import { parseHash, unpackActions, unpackTold } from "../record/share-link";
import { parseFormat } from "./collect";
import { about, parseWhole, readActions, readInput } from "./input";
import type { ProgressBar } from "./progress-bar";
import { branchDrive, chooseBranch } from "./session";
import { checkTold } from "./told";

/** As typed. World, seed and start are wanted for an action log without a record only: all else holds them. */
export interface ExportOptions {
  readonly world?: string;
  readonly seed?: string;
  readonly start?: string;
  readonly format: string;
  readonly out: string;
}

interface Source {
  readonly world: string;
  readonly seed: number;
  readonly start: number;
  /** Or the beginning of it. */
  readonly packageSha256?: string | undefined;
  readonly drive: (manifest: Manifest) => Drive | Promise<Drive>;
}

/** @returns the line to print. @throws a named error, having written nothing */
export async function exportSession(log: string, options: ExportOptions, signal: AbortSignal, progress: ProgressBar) {
  const format = parseFormat(options.format);
  const source = await readSource(log, options);
  const opened = await openWorldNode(source.world, { threads: 1, timelineCapacity: 0 });
  try {
    const { manifest } = opened.world;
    if (source.packageSha256 && !opened.package.sha256.startsWith(source.packageSha256)) {
      throw new RecordingError(
        `${log.split("#")[0]}: expected the package ${source.packageSha256}, got ${opened.package.sha256}; it was made with another version of this world, check that one out`,
      );
    }
    if (format === "mp4") checkVideo(manifest.picture);
    const { actions, told } = await source.drive(manifest);
    await checkTold(told, opened.package);
    if (actions.length === 0) throw new RecordingError(`${log}: expected one or more actions, got none`);
    const rest = Float32Array.from(manifest.actions, (action) => action.rest);
    const queue = [...actions, rest].values(); // after the last frame nobody pressed anything
    let done = 0;
    const onFrame = () => {
      if (signal.aborted) throw new AbortedError("interrupted");
      done += 1;
      progress.show(done, actions.length + 1);
    };
    await writeFolder(options.out, false, async (folder) => {
      const episode = await playEpisode(
        opened,
        { act: () => queue.next().value ?? rest },
        {
          ...{ number: 0, seed: source.seed, start: source.start, frames: actions.length + 1, told, onFrame },
          place: placeOf(source.world, manifest),
        },
      );
      const { rollout, pictures } = unpackEpisode(log, packEpisode(episode)); // as every episode was
      await writeDataset(folder, { format, manifest, episodes: [{ rollout, pictures: async () => pictures }] });
    });
    return `${actions.length + 1} frames of ${manifest.name} in ${options.out} (${format})`;
  } finally {
    progress.end();
    await opened.world.close();
  }
}

/** @throws RecordingError, ResetError */
async function readSource(log: string, options: ExportOptions): Promise<Source> {
  if (log.includes("#")) return fromLink(log, options);
  const text = new TextDecoder().decode(await readInput(log));
  if (log.endsWith(".json"))
    return looksLikeSession(text) ? fromSession(log, text, options) : fromRollout(log, text, options);
  const record = readLogProvenance(text);
  const shot = record?.shots[0];
  const world = options.world ?? record?.world;
  if (world === undefined) throw new ResetError("--world: expected the world that the log was played in, got none");
  return {
    world,
    packageSha256: options.world === undefined ? record?.packageSha256 : undefined,
    seed: parseWhole("--seed", options.seed ?? String(shot?.seed ?? "none"), 0, Number.MAX_SAFE_INTEGER),
    start: parseWhole("--start", options.start ?? String(shot?.start ?? 0), 0, Number.MAX_SAFE_INTEGER),
    drive: (manifest) => readActions(log, manifest),
  };
}

function fromLink(link: string, options: ExportOptions): Source {
  const {
    world: named,
    foreign,
    seed,
    start,
    package: mark,
    replay,
    prompts,
  } = parseHash(link.slice(link.indexOf("#")));
  const world = options.world ?? named;
  const packageSha256 = foreign?.sha256 ?? mark;
  if (replay === undefined)
    throw new RecordingError("link: expected one with the drive in it, got none; share it again");
  if (foreign && world === undefined) {
    const pin = foreign.sha256 === undefined ? "" : ` --sha256 ${foreign.sha256}`;
    throw new UnknownWorldError(
      `link: expected --world for a world from elsewhere, got none; bring it here first: worldloop add ${foreign.address}${pin}`,
    );
  }
  if (world === undefined || seed === undefined) throw new RecordingError("link: expected a world and a seed in it");
  return {
    ...{ world, seed, start: start ?? 0, packageSha256 },
    drive: async ({ actions }) => ({ actions: await unpackActions(replay, actions), told: unpackTold(prompts) }),
  };
}

function fromSession(path: string, text: string, options: ExportOptions): Source {
  const session = about(path, () => chooseBranch(path, parseSession(text)));
  const { seed, start, picture, packageSha256 } = session;
  if (picture) {
    throw new RecordingError(
      `${path}: expected a session from a start of the world, got one from a picture; use rollout`,
    );
  }
  return {
    ...{ world: options.world ?? session.world, seed, start, packageSha256 },
    drive(manifest) {
      about(path, () => checkSession(session, manifest));
      return branchDrive(session);
    },
  };
}

function fromRollout(path: string, text: string, options: ExportOptions): Source {
  const { world, folder, seed, start, packageSha256, actions, prompts } = parseRollout(path, text);
  if (start === undefined) throw new RecordingError(`${path}: expected a rollout from a start, got one from pictures`);
  const drive = (manifest: Manifest) => ({
    actions: actions.map((action) => parseAction(action, manifest.actions)),
    told: prompts ?? [],
  });
  return { world: options.world ?? folder ?? world, seed, start, packageSha256, drive };
}
