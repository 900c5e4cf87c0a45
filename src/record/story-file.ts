/**
 * A story of shots, as a person writes it (`shots.json`) or the page saves it: how long each shot is, where it begins, what
 * the world is told and who acts. Checked here against a world and made into a plan; `cli/play-story.ts` plays it.
 */
import { z } from "zod/mini"; // the page reads this, too
import { type NamedAction, nameAction, parseAction } from "../action/action";
import { quoted, RecordingError, WorldloopError } from "../errors";
import type { Manifest } from "../model/manifest";
import { cleanPrompt, type Drive, type Told } from "../model/prompt";
import type { Action } from "../model/world";
import { cleanName } from "./session-file";

/** As many as a page keeps branches. */
export const MOST_SHOTS = 200;
/** Of all shots together. */
const MOST_FRAMES = 1_000_000;
/** Characters of a file: an hour of actions, written out. */
const LONGEST_FILE = 2 ** 24;

const named = z.record(z.string(), z.number());
const name = z.string().check(z.minLength(1), z.maxLength(80));
const either = (expected: string) => ({ error: `expected ${expected}` });

const shotSchema = z.strictObject({
  /** What captions, branches and returns call it. */
  name: z.optional(name),
  /** A start of the world, by title or number from 0: a cut. "continue", or absent: goes on. Or back to a shot's end. */
  begin: z.optional(
    z.union(
      [
        z.literal("continue"),
        z.strictObject({ start: z.union([z.int().check(z.nonnegative()), z.string()]) }),
        z.strictObject({ return: z.union([z.int().check(z.positive()), z.string()]) }),
      ],
      either('"continue", {"start": …} or {"return": …}'),
    ),
  ),
  /** How long it is; one of the two. */
  frames: z.optional(z.int().check(z.positive(), z.lte(MOST_FRAMES))),
  seconds: z.optional(z.number().check(z.positive())),
  /** What the world is told with its first step. Absent: what it was told last still holds. */
  prompt: z.optional(z.string()),
  /** A file of actions, one a line, beside this one; or the actions themselves; or what is held all the time. */
  actions: z.optional(
    z.union([z.string().check(z.minLength(1)), z.array(named), named], either("a file's name, actions, or one action")),
  ),
  /** Who acts, as `collect --policy` has it. Absent, and no actions: all controls are at rest. */
  policy: z.optional(z.string().check(z.minLength(1))),
});

export const storySchema = z.strictObject({
  format: z.literal("worldloop-shots"),
  version: z.literal(1),
  /** Of all random numbers; absent: 0. */
  seed: z.optional(z.int().check(z.nonnegative())),
  shots: z.array(shotSchema).check(z.minLength(1), z.maxLength(MOST_SHOTS)),
});

export type Story = z.infer<typeof storySchema>;

/** A shot, checked. It begins at a start of the world, or after the last frame of an earlier shot. */
export interface PlannedShot {
  readonly name: string;
  readonly from: { readonly start: number } | { readonly after: number };
  readonly frames: number;
  /** Ticks count from the shot's own first step, 1. */
  readonly told: readonly Told[];
  /** As many as frames; or else whose they are. */
  readonly actions: readonly Action[] | { readonly policy: string };
}

export interface StoryPlan {
  readonly seed: number;
  /** Of the first shot. */
  readonly start: number;
  readonly shots: readonly PlannedShot[];
}

/** Whether a text is meant to be a story. */
export const looksLikeStory = (text: string): boolean => /"format"\s*:\s*"worldloop-shots"/.test(text);

/** @throws RecordingError saying what is wrong with it */
export function parseStory(text: string): Story {
  if (text.length > LONGEST_FILE) {
    throw new RecordingError(`shots: expected at most ${LONGEST_FILE} characters, got ${text.length}.`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch (error) {
    throw new RecordingError(`shots: expected JSON, got something else (${(error as Error).message}).`);
  }
  const { data, error } = storySchema.safeParse(json);
  if (data) return data;
  const issue = error.issues[0];
  const [, index, ...rest] = issue?.path ?? [];
  const where = typeof index === "number" ? [`shot ${index + 1}`, ...rest].join(", ") : issue?.path.join(".");
  throw new RecordingError(`${where || "shots"}: ${issue?.message}`);
}

/**
 * @param readActions the file that a shot names
 * @throws RecordingError naming the shot: no such start, a return to a later shot, no or another length, other actions,
 * what can't be a prompt
 */
export async function planStory(
  { seed = 0, shots }: Story,
  manifest: Manifest,
  readActions: (file: string) => Promise<Drive>,
): Promise<StoryPlan> {
  const planned: PlannedShot[] = [];
  for (const [index, shot] of shots.entries()) {
    const called = cleanName(shot.name ?? "") || `Shot ${index + 1}`;
    try {
      if (planned.some(({ name }) => name === called)) {
        throw new RecordingError(`name: expected one that no earlier shot has, got "${called}"`);
      }
      const frames = framesOf(shot, manifest);
      const from = beginOf(shot, planned, manifest);
      const { actions, told } = await actionsOf(shot, frames, manifest, readActions);
      planned.push({ name: called, from, frames, told, actions });
    } catch (error) {
      if (!(error instanceof WorldloopError)) throw error;
      throw new RecordingError(`shot ${index + 1}: ${error.message}`, { cause: error });
    }
  }
  const total = planned.reduce((sum, { frames }) => sum + frames, 0);
  if (total > MOST_FRAMES) throw new RecordingError(`shots: expected at most ${MOST_FRAMES} frames, got ${total}`);
  const [start = 0] = planned.flatMap(({ from }) => ("start" in from ? [from.start] : []));
  return { seed, start, shots: planned };
}

export type Shot = Story["shots"][number];

function framesOf({ frames, seconds }: Shot, { frameRate }: Manifest): number {
  const count = frames ?? Math.round((seconds ?? 0) * frameRate);
  if ((frames === undefined) === (seconds === undefined)) {
    throw new RecordingError(`expected "frames" or "seconds", got ${frames === undefined ? "neither" : "both"}`);
  }
  if (count >= 1 && count <= MOST_FRAMES) return count;
  throw new RecordingError(`seconds: expected from 1 to ${MOST_FRAMES} frames of 1/${frameRate} s, got ${seconds} s`);
}

function beginOf({ begin }: Shot, before: readonly PlannedShot[], { starts }: Manifest): PlannedShot["from"] {
  if (begin === undefined || begin === "continue") {
    return before.length === 0 ? { start: 0 } : { after: before.length - 1 };
  }
  const [wanted, names, first] =
    "start" in begin
      ? [begin.start, starts.map(({ title }) => title), 0]
      : [begin.return, before.map(({ name }) => name), 1];
  const found = typeof wanted === "string" ? names.indexOf(cleanName(wanted)) : wanted - first;
  if (found >= 0 && found < names.length) return "start" in begin ? { start: found } : { after: found };
  const what = "start" in begin ? "start" : "return";
  const list = names.map((each, i) => `${i + first} "${each}"`).join(", ");
  const expected = list === "" ? "an earlier shot, which the first has none of" : `one of ${list}`;
  throw new RecordingError(`${what}: expected ${expected}, got ${quoted(wanted)}`);
}

async function actionsOf(
  { actions, policy, prompt }: Shot,
  frames: number,
  { actions: table }: Manifest,
  readActions: (file: string) => Promise<Drive>,
): Promise<Pick<PlannedShot, "actions" | "told">> {
  const first = prompt === undefined ? [] : [{ tick: 1, text: cleanPrompt(prompt) }];
  if (policy !== undefined) {
    if (actions !== undefined) throw new RecordingError('expected "actions" or "policy", got both');
    return { actions: { policy }, told: first };
  }
  if (typeof actions !== "string" && !Array.isArray(actions)) {
    const rest: NamedAction = nameAction(
      Float32Array.from(table, (spec) => spec.rest),
      table,
    );
    const held = parseAction({ ...rest, ...actions }, table);
    return { actions: Array<Action>(frames).fill(held), told: first };
  }
  const drive =
    typeof actions === "string"
      ? await readActions(actions)
      : { actions: actions.map((action) => parseAction(action, table)), told: [] };
  if (drive.actions.length < frames) {
    throw new RecordingError(`actions: expected ${frames}, one a frame, got ${drive.actions.length}`);
  }
  if (first.length > 0 && drive.told[0]?.tick === 1) {
    throw new RecordingError('expected "prompt" or one in the first line of its actions, got both');
  }
  const told = [...first, ...drive.told.filter(({ tick }) => tick <= frames)];
  return { actions: drive.actions.slice(0, frames), told };
}
