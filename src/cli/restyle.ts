/** `worldloop restyle`: a video in, a video out that a guided world painted after it, picture by picture. */
import { createHash } from "node:crypto";
import { openAsBlob } from "node:fs";
import { access, appendFile, rename } from "node:fs/promises";
import { join, resolve } from "node:path";
import { writeBeside } from "../dataset/out-folder";
import { AbortedError, GuideError, OutputError, ResetError } from "../errors";
import { isGuided } from "../model/contract";
import { openWorldNode, placeOf } from "../model/node-runtime";
import { cleanPrompt, type Told } from "../model/prompt";
import { actionsSha256, originOf, type Provenance } from "../model/provenance";
import { rgbOf } from "../model/rgb";
import { recordBoxes } from "../record/clip-file";
import { joinVideo } from "../record/joined-video";
import { parseEngine, parsePrecision, parseWhole } from "./input";
import type { ProgressBar } from "./progress-bar";
import { encodePictures, openGuideVideo } from "./restyled-video";
import { checkTold } from "./told";

/** As typed. */
export interface RestyleOptions {
  readonly world: string;
  readonly in: string;
  readonly out: string;
  readonly prompt?: string;
  readonly strength: string;
  readonly seed: string;
  readonly start: string;
  readonly force?: boolean;
  readonly engine: string;
  readonly precision: string;
  readonly threads: string;
}

/** @returns the line to print. @throws a named error, having written nothing */
export async function restyle(options: RestyleOptions, signal: AbortSignal, progress: ProgressBar): Promise<string> {
  const { out } = options;
  if (!out.endsWith(".mp4")) throw new OutputError(`--out: expected a file that ends in .mp4, got ${out}`);
  const strength = Number(options.strength);
  if (options.strength.trim() === "" || !(strength >= 0 && strength <= 1)) {
    throw new ResetError(`--strength: expected a number from 0 to 1, got "${options.strength}"`);
  }
  const there = await access(out).then(
    () => true,
    () => false,
  );
  if (there && !options.force) {
    throw new OutputError(`--out ${out}: expected a new file, got one that is there; choose another or add --force`);
  }
  const engine = parseEngine(options.engine);
  const { world, package: opened } = await openWorldNode(options.world, {
    engine,
    precision: parsePrecision(options.precision, engine),
    threads: parseWhole("--threads", options.threads, 1, 64),
    timelineCapacity: 0,
  });
  try {
    const { manifest } = world;
    if (!isGuided(manifest)) throw new GuideError(`guide: ${manifest.name} takes none; choose a world that is guided`);
    const seed = parseWhole("--seed", options.seed, 0, Number.MAX_SAFE_INTEGER);
    const start = parseWhole("--start", options.start, 0, manifest.starts.length - 1);
    const told: Told[] = options.prompt === undefined ? [] : [{ tick: 1, text: cleanPrompt(options.prompt) }];
    const unknown = await checkTold(told, opened);
    const action = Float32Array.from(manifest.actions, ({ name, rest }) => (name === "strength" ? strength : rest));
    const video = await openGuideVideo(options.in, manifest.picture);
    const settling = manifest.kv.window; // ticks under the first picture: the start is forgotten when the film begins
    const hash = createHash("sha256");
    let ticks = 0;

    /** The frame that follows a guide. */
    async function painted(guide: Uint8Array): Promise<Uint8Array> {
      if (signal.aborted) throw new AbortedError("interrupted");
      hash.update(guide);
      const { rgba } = await world.step(action, ticks === 0 ? told[0]?.text : undefined, guide);
      ticks += 1;
      return rgbOf(rgba);
    }

    async function write(temporary: string): Promise<number> {
      const pictures = encodePictures(join(temporary, "pictures.mp4"), manifest.picture);
      try {
        let frames = 0;
        for (let guide = await video.next(); guide; guide = await video.next()) {
          while (ticks < settling) await painted(guide);
          await pictures.add(await painted(guide));
          frames += 1;
          progress.show(Math.min(frames, video.count), video.count);
        }
        await pictures.finish();
        const guidesSha256 = hash.digest("hex");
        const actions = Array.from({ length: ticks }, () => action);
        const shot = { seed, start, from: settling + 1, to: ticks, guidesSha256 };
        const provenance: Provenance = {
          ...originOf({ packageSha256: opened.sha256, backend: world.backend }, placeOf(options.world, manifest).world),
          kind: "clip",
          shots: [{ ...shot, actionsSha256: await actionsSha256(actions, told, guidesSha256) }],
        };
        const joined = join(temporary, "joined.mp4");
        const [encoded, sound] = await Promise.all(
          [join(temporary, "pictures.mp4"), options.in].map((path) => openAsBlob(path)),
        );
        await joinVideo(joined, encoded as Blob, sound as Blob, video.times());
        for (const box of recordBoxes(provenance)) await appendFile(joined, box);
        await rename(joined, resolve(out));
        return frames;
      } finally {
        pictures.close();
        video.close();
      }
    }

    await world.reset({ seed, start });
    const frames = await writeBeside(out, write);
    return `${frames} pictures of ${options.in} as ${manifest.name} in ${out}${unknown}`;
  } finally {
    progress.end();
    await world.close();
  }
}
