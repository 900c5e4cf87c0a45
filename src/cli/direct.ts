/**
 * `worldloop direct`: plays a story of shots without a page, and writes it as an mp4 with captions, which says where it
 * came from, and as a session that the page plays again.
 */
import { existsSync } from "node:fs";
import { appendFile, rename, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { openPolicy, type Policy } from "../collect/policy";
import { unwritable, writeBeside } from "../dataset/out-folder";
import { encodePicture } from "../dataset/picture";
import { checkVideo, encodeVideo } from "../dataset/video";
import { OutputError, RecordingError, WorldloopError } from "../errors";
import type { BranchTree } from "../model/branch-tree";
import { frameSha256 } from "../model/hash";
import type { Manifest } from "../model/manifest";
import { type OpenedNodeWorld, openWorldNode, placeOf } from "../model/node-runtime";
import { LONGEST_RECORD, originOf, type Provenance } from "../model/provenance";
import { rgbOf } from "../model/rgb";
import type { Frame } from "../model/world";
import { captionsOf, cutCaptions, formatCaptions } from "../record/captions";
import { enlargement } from "../record/enlarge";
import { engineOf, formatSession, type SavedSession } from "../record/session-file";
import { type Drive, describeShots } from "../record/shots";
import { parseStory, planStory, type StoryPlan } from "../record/story-file";
import { parseEngine, parsePrecision, parseWhole, readActions, readInput } from "./input";
import { playStory } from "./play-story";
import type { ProgressBar } from "./progress-bar";
import { checkTold } from "./told";

const LONGEST_CAPTION = 1800; // s; one of more than 2^31 µs doesn't go into an mp4

/** As typed. */
export interface DirectOptions {
  readonly world: string;
  readonly shots: string;
  readonly out: string;
  readonly force?: boolean;
  readonly engine: string;
  readonly precision: string;
  readonly threads: string;
}

/** @returns the line to print. @throws a named error, having written nothing */
export async function direct(options: DirectOptions, signal: AbortSignal, progress: ProgressBar): Promise<string> {
  const threads = parseWhole("--threads", options.threads, 1, 64);
  const engine = parseEngine(options.engine);
  const precision = parsePrecision(options.precision, engine);
  const [video, session] = outFiles(options);
  const opened = await openWorldNode(options.world, { engine, precision, threads, timelineCapacity: 0 });
  const policies = new Map<string, Policy>();
  try {
    const { manifest } = opened.world;
    const { plan, unknown } = await readPlan(options.shots, opened, policies);
    checkVideo(manifest.picture, "use rollout");
    const total = plan.shots.reduce((sum, { frames }) => sum + frames, 0);
    const world = placeOf(options.world, manifest).world;
    await writeBeside(video, async (folder) => {
      const [newVideo, newSession] = [join(folder, "video.mp4"), join(folder, "session.json")];
      const player = playStory(opened.world, plan, (name) => policies.get(name) as Policy, signal);
      const hashes = await writeVideo(newVideo, player.frames, plan, manifest, (done) => progress.show(done, total));
      const { recordBoxes } = await import("../record/clip-file"); // the demuxer is large
      const record = await recordOf(opened, world, player.drives(), hashes);
      for (const box of recordBoxes(record)) await appendFile(newVideo, box);
      await writeFile(newSession, formatSession(sessionOf(opened, world, plan, player.tree, hashes)));
      await rename(newSession, session);
      await rename(newVideo, resolve(video));
    });
    const seconds = (total / manifest.frameRate).toFixed(1);
    return `${plan.shots.length} shots, ${seconds} s (${total} frames) of ${manifest.name} in ${video}; as a session in ${session}${unknown}`;
  } finally {
    progress.end();
    for (const policy of policies.values()) await policy.close();
    await opened.world.close();
  }
}

/** The video's file and the session's beside it. @throws OutputError when one can't be written, or is there already */
function outFiles({ out, force }: DirectOptions): readonly [string, string] {
  if (!out.endsWith(".mp4")) throw new OutputError(`--out ${out}: expected the name of a video, such as story.mp4`);
  const files = [out, `${out.slice(0, -".mp4".length)}.session.json`] as const;
  const there = files.find((file) => existsSync(file));
  if (there !== undefined && !force) throw unwritable(there, "a file that is there", "choose another or add --force");
  return files;
}

/** @param policies gets those that it names, opened. @throws RecordingError, its message beginning with the file */
async function readPlan(path: string, { world, package: opened }: OpenedNodeWorld, policies: Map<string, Policy>) {
  const text = new TextDecoder().decode(await readInput(path));
  try {
    const story = parseStory(text);
    const { manifest } = world;
    const plan = await planStory(story, manifest, (file) => readActions(resolve(dirname(path), file), manifest));
    for (const { policy } of story.shots) {
      if (policy !== undefined && !policies.has(policy)) policies.set(policy, await openPolicy(policy, manifest));
    }
    const told = plan.shots.flatMap((shot) => shot.told);
    return { plan, unknown: await checkTold(told, opened) };
  } catch (error) {
    if (!(error instanceof WorldloopError)) throw error;
    throw new RecordingError(`${path}: ${error.message}`, { cause: error });
  }
}

/** @returns the sha256 of each frame */
async function writeVideo(
  path: string,
  frames: AsyncIterable<Frame>,
  plan: StoryPlan,
  { picture, frameRate }: Manifest,
  onFrame: (done: number) => void,
): Promise<string[]> {
  const hashes: string[] = [];
  const captions = `${path}.vtt`;
  async function* pictures() {
    for await (const frame of frames) {
      yield encodePicture(rgbOf(frame.rgba), picture);
      hashes.push(await frameSha256(frame));
      onFrame(hashes.length);
    }
  }
  const shown = cutCaptions(captionsOf(plan), Math.ceil(LONGEST_CAPTION * frameRate));
  await writeFile(captions, formatCaptions(shown, frameRate));
  await encodeVideo(path, pictures(), { frameRate, captions, enlarge: enlargement(picture.width, picture.height) });
  return hashes;
}

/** As of a clip of the page, and the hash of each stretch's last frame. Where the actions would be too many they stay out. */
async function recordOf(
  { world, package: { sha256 } }: OpenedNodeWorld,
  name: string,
  drives: readonly Drive[],
  hashes: readonly string[],
): Promise<Provenance> {
  const origin = originOf({ packageSha256: sha256, backend: world.backend }, name);
  const describe = async (withActions: boolean): Promise<Provenance> => {
    let shown = 0;
    const shots = (await describeShots(drives, withActions)).map((shot) => {
      shown += shot.to - shot.from + 1;
      return { ...shot, frameSha256: hashes[shown - 1] };
    });
    return { ...origin, kind: "clip", shots };
  };
  const whole = await describe(true);
  return JSON.stringify(whole).length <= LONGEST_RECORD ? whole : describe(false);
}

function sessionOf(
  { world, package: { sha256 } }: OpenedNodeWorld,
  name: string,
  { seed, start, shots }: StoryPlan,
  tree: BranchTree,
  hashes: readonly string[],
): SavedSession {
  const branch = shots.length - 1;
  const { width, branches } = tree.records();
  let shown = 0;
  const hashed = branches.map((each, i) => {
    shown += shots[i]?.frames ?? 0;
    return { ...each, frameSha256: hashes[shown - 1] as string };
  });
  return {
    ...{ world: name, packageSha256: sha256, engine: engineOf(world.backend) },
    ...{ seed, start },
    actionNames: world.manifest.actions.map((action) => action.name),
    record: { width, branches: hashed, at: { branch, tick: tree.get(branch)?.end ?? 0 } },
    frameSha256: hashes.at(-1) as string,
  };
}
