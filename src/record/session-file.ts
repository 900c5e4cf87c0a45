/**
 * A session as one file, for another day or another machine: which world and package it was played in and by what, where
 * it began, and every branch with its actions as exact float32. No dreamed pictures and no states: playing it again gives
 * them, so a file can't claim a picture that doesn't follow from its actions. Only a picture of a person's own that it began
 * at is in it, at the world's size; such a file has version 2. One in which the world was told something has version 3, one
 * with cuts to other starts, or with the hash of each branch's last frame, version 4.
 */
import { z } from "zod/mini"; // the page reads this, too
import { checkAction } from "../action/action";
import { ActionError, PromptError, RecordingError, ResetError } from "../errors";
import { checkReset, resetOf, type SessionBeginning } from "../model/beginning";
import type { BranchRecord, Point } from "../model/branch-tree";
import { explain, PRECISIONS, type Precision } from "../model/engine-choice";
import type { SessionRecord } from "../model/journal";
import type { Manifest } from "../model/manifest";
import { cleanPrompt, type Told } from "../model/prompt";
import { toldSchema } from "../model/provenance";
import type { World } from "../model/world";

export interface SavedSession {
  /** How links name the world. */
  readonly world: string;
  readonly packageSha256: string;
  /** What computed it: the same on another machine gives the same pictures, another engine nearly the same. */
  readonly engine: { readonly name: string; readonly precision: Precision; readonly detail?: string };
  readonly seed: number;
  readonly start: number;
  /** uint8 RGB [height, width, 3] of a person's own that it began at, in place of the start. */
  readonly picture?: Uint8Array<ArrayBuffer>;
  /** Names of the action table, in the order of the vectors. */
  readonly actionNames: readonly string[];
  readonly record: SessionRecord;
  /** sha256 of the RGB bytes of the frame that it was left at. */
  readonly frameSha256?: string;
}

/** Characters: twelve million ticks of three actions would fit, were they one branch. */
const LONGEST_FILE = 2 ** 26;
const LONGEST_NAME = 80;
/** A page keeps 200, and those that have names or branches of their own. */
const MOST_BRANCHES = 10_000;

const count = z.int().check(z.nonnegative());
const sha256 = z.string().check(z.regex(/^[0-9a-f]{64}$/, "expected a sha256 in hex"));
const point = z.strictObject({ branch: count, tick: count });

const fileSchema = z.strictObject({
  format: z.literal("worldloop-session"),
  version: z.literal([1, 2, 3, 4]),
  world: z.string().check(z.minLength(1)),
  packageSha256: sha256,
  engine: z.strictObject({ name: z.string(), precision: z.enum(PRECISIONS), detail: z.optional(z.string()) }),
  seed: count,
  start: count,
  /** base64 of its bytes. */
  picture: z.optional(z.string().check(z.minLength(1))),
  actionNames: z.array(z.string()).check(z.minLength(1)),
  branches: z
    .array(
      z.strictObject({
        name: z.string().check(z.minLength(1), z.maxLength(LONGEST_NAME)),
        /** Index of an earlier branch and the last tick shared with it; null of the first and of a cut. */
        parting: z.nullable(point),
        /** Of a cut: the start of the world that it begins at. */
        start: z.optional(count),
        /** Of its own. */
        ticks: count,
        /** base64 of float32 little-endian [ticks, actions]. */
        actions: z.string(),
        /** What the world was told, on ticks of its own. */
        prompts: z.optional(toldSchema),
        /** Of its last frame. */
        frameSha256: z.optional(sha256),
      }),
    )
    .check(z.minLength(1), z.maxLength(MOST_BRANCHES)),
  /** Where it was left. */
  at: point,
  frameSha256: z.optional(sha256),
});

/** Onnxruntime has float32 alone. */
export const precisionOf = ({ precision = "float32" }: World["backend"]): Precision => precision;

/** What computed it, as a session says it. */
export function engineOf(backend: World["backend"]): SavedSession["engine"] {
  const detail = explain(backend);
  return { name: backend.name, precision: precisionOf(backend), ...(detail === "" ? {} : { detail }) };
}

/** A branch's name as it may be saved: one line, not empty, not too long. */
export const cleanName = (text: string): string => text.replace(/\s+/g, " ").trim().slice(0, LONGEST_NAME);

/** Where it began. */
export const beginningOf = ({ seed, start, picture }: SavedSession): SessionBeginning =>
  picture ? { seed, start, picture } : { seed, start };

export function formatSession({ record, picture, ...session }: SavedSession): string {
  const width = session.actionNames.length;
  const branches = record.branches.map(({ actions, told, ...own }) => ({
    ...{ ...own, ticks: actions.length / width },
    actions: toBase64(new Uint8Array(actions.buffer, actions.byteOffset, actions.byteLength)),
    ...(told === undefined ? {} : { prompts: told }),
  }));
  const has = (field: keyof BranchRecord) => record.branches.some((branch) => branch[field] !== undefined);
  const version = has("start") || has("frameSha256") ? 4 : has("told") ? 3 : picture ? 2 : 1;
  const kind = { format: "worldloop-session", version };
  const own = picture ? { picture: toBase64(picture) } : {};
  return `${JSON.stringify({ ...kind, ...session, ...own, branches, at: record.at })}\n`;
}

/** Whether a text is meant to be a session and not an action log. */
export const looksLikeSession = (text: string): boolean => /"format"\s*:\s*"worldloop-session"/.test(text);

/** @throws RecordingError saying what is wrong with it; nothing of a damaged file is believed */
export function parseSession(text: string): SavedSession {
  if (text.length > LONGEST_FILE) {
    throw new RecordingError(`session: expected at most ${LONGEST_FILE} characters, got ${text.length}.`);
  }
  const json = readJson(text.replace(/^\uFEFF/, ""));
  const version = (json as { version?: unknown } | null)?.version;
  if (typeof version === "number" && version > 4) {
    throw new RecordingError(`session, version: expected 1 to 4, got ${version}. Open it with a newer release.`);
  }
  const { success, data, error } = fileSchema.safeParse(json);
  if (!success) {
    const issue = error.issues[0];
    throw new RecordingError(`session, ${issue?.path.join(".") || "top level"}: ${issue?.message}. Save it again.`);
  }
  const { branches, at, format: _, version: __, picture, ...session } = data;
  if (data.version < 3 && (data.version === 2) !== (picture !== undefined)) {
    const got = picture === undefined ? "none" : "one";
    throw new RecordingError(`session, picture: expected one in version 2 alone, got ${got}. Save it again.`);
  }
  const width = session.actionNames.length;
  const records: BranchRecord[] = [];
  const ends: number[] = [];
  for (const [index, branch] of branches.entries()) {
    const where = `session, branches.${index}`;
    const actions = floatsOf(branch.actions, `${where}.actions`);
    if (actions.length !== branch.ticks * width) {
      throw new RecordingError(
        `${where}.actions: expected ${branch.ticks} ticks of ${width} values, got ${actions.length} values. Save it again.`,
      );
    }
    checkParting(where, index, branch, { branches, ends, hasCuts: data.version === 4 });
    const first = branch.parting?.tick ?? 0;
    ends.push(first + branch.ticks);
    const { start, frameSha256, prompts: told = [] } = branch;
    checkTold(`${where}.prompts`, told, first, first + branch.ticks);
    records.push({
      ...{ name: cleanName(branch.name) || `Branch ${index + 1}`, parting: branch.parting, actions },
      ...(start === undefined ? {} : { start }),
      ...(frameSha256 === undefined ? {} : { frameSha256 }),
      ...(told.length > 0 ? { told } : {}),
    });
  }
  const end = ends[at.branch];
  if (end === undefined || at.tick > end) {
    const expected = end === undefined ? `a branch from 0 to ${ends.length - 1}` : `a tick from 0 to ${end}`;
    throw new RecordingError(`session, at: expected ${expected}, got tick ${at.tick} of branch ${at.branch}.`);
  }
  const { engine, frameSha256, ...rest } = session;
  return {
    ...rest,
    engine: {
      name: engine.name,
      precision: engine.precision,
      ...(engine.detail === undefined ? {} : { detail: engine.detail }),
    },
    ...(picture === undefined ? {} : { picture: fromBase64(picture, "session, picture") }),
    record: { width, branches: records, at },
    ...(frameSha256 ? { frameSha256 } : {}),
  };
}

/** @throws RecordingError when the session can't be played in this world: other actions, out of range, no such start */
export function checkSession(session: SavedSession, manifest: Manifest): void {
  const { actionNames, record, start } = session;
  const names = manifest.actions.map(({ name }) => name);
  if (actionNames.length !== names.length || names.some((name, i) => name !== actionNames[i])) {
    throw new RecordingError(
      `session: expected the actions ${names.join(", ")} of ${manifest.name}, got ${actionNames.join(", ")}. Open the world that it was played in.`,
    );
  }
  about("session", () => checkReset(resetOf(beginningOf(session)), manifest));
  const beyond = [start, ...record.branches.map((branch) => branch.start ?? 0)].find(
    (s) => s >= manifest.starts.length,
  );
  if (beyond !== undefined) {
    throw new RecordingError(`session, start: expected one from 0 to ${manifest.starts.length - 1}, got ${beyond}.`);
  }
  if (!manifest.prompt && record.branches.some(({ told }) => told !== undefined)) {
    throw new RecordingError(`session: ${manifest.name} takes no prompts, and this session holds some.`);
  }
  const width = manifest.actions.length;
  record.branches.forEach(({ name, parting, actions }) => {
    for (let t = 0; t < actions.length / width; t++) {
      about(`session, ${name}, tick ${(parting?.tick ?? 0) + t + 1}`, () =>
        checkAction(actions.subarray(t * width, (t + 1) * width), manifest.actions),
      );
    }
  });
}

function about(where: string, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!(error instanceof ActionError || error instanceof ResetError || error instanceof PromptError)) throw error;
    throw new RecordingError(`${where}: ${error.message}`, { cause: error });
  }
}

/** The first branch parts from none, nor does a cut, wherever it stands; each other one from a tick that an earlier one holds. */
function checkParting(
  where: string,
  index: number,
  { parting, start }: { readonly parting: Point | null; readonly start?: number | undefined },
  {
    branches,
    ends,
    hasCuts,
  }: { branches: readonly { parting: Point | null }[]; ends: readonly number[]; hasCuts: boolean },
): void {
  const wrong = (expected: string) => {
    const got = parting ? `tick ${parting.tick} of branch ${parting.branch}` : "none";
    return new RecordingError(`${where}.parting: expected ${expected}, got ${got}. Save it again.`);
  };
  if (parting && (index === 0 || start !== undefined)) throw wrong("none of the first branch and of a cut");
  if (!parting && (index === 0 || hasCuts)) return;
  const end = parting ? ends[parting.branch] : undefined;
  if (!parting || end === undefined) throw wrong(`a tick of a branch from 0 to ${index - 1}`);
  const parent = branches[parting.branch]?.parting;
  const first = parent ? parent.tick + 1 : 0;
  if (parting.tick < first || parting.tick > end) {
    throw wrong(`a tick of its own of branch ${parting.branch}, ${first} to ${end}`);
  }
}

/** In the order of their ticks, which are the branch's own, and each a prompt as it is recorded. */
function checkTold(where: string, told: readonly Told[], first: number, end: number): void {
  let before = first;
  for (const { tick, text } of told) {
    about(where, () => cleanPrompt(text));
    if (tick <= before || tick > end || cleanPrompt(text) !== text) {
      throw new RecordingError(
        `${where}: expected prompts in order, at ticks ${first + 1} to ${end}, got ${tick}. Save it again.`,
      );
    }
    before = tick;
  }
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new RecordingError(
      `session: expected a file that was saved as a session, got something else (${(error as Error).message}).`,
      { cause: error },
    );
  }
}

const CHUNK = 2 ** 13; // characters; String.fromCharCode takes so many arguments

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += CHUNK) text += String.fromCharCode(...bytes.subarray(i, i + CHUNK));
  return btoa(text);
}

function floatsOf(text: string, where: string): Float32Array {
  const bytes = fromBase64(text, where);
  if (bytes.length % 4 !== 0) {
    throw new RecordingError(`${where}: expected float32 values, got ${bytes.length} bytes. Save it again.`);
  }
  return new Float32Array(bytes.buffer);
}

function fromBase64(text: string, where: string): Uint8Array<ArrayBuffer> {
  let binary: string;
  try {
    binary = atob(text);
  } catch (error) {
    throw new RecordingError(`${where}: expected base64, got something else. Save it again.`, { cause: error });
  }
  return Uint8Array.from(binary, (char) => char.charCodeAt(0));
}
