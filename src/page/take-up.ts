/** Taking up what was recorded before: a saved session, from a file or the browser's storage, or an action log. */
import { PromptError, RecordingError } from "../errors";
import { frameSha256 as hashOf } from "../model/hash";
import { parseWords } from "../model/prompt";
import type { Snapshot } from "../model/world";
import { parseActionLog } from "../record/action-log";
import {
  beginningOf,
  checkSession,
  looksLikeSession,
  parseSession,
  precisionOf,
  type SavedSession,
} from "../record/session-file";
import { looksLikeStory, parseStory, planStory } from "../record/story-file";
import { CAN_BE_DIRECTED, recordStory } from "../record/story-session";
import { announce } from "./notices";
import { askToPlayOn } from "./other-version";
import type { Session } from "./session";

/** Bytes. A session of a million ticks takes a quarter of it. */
const LARGEST = 2 ** 26;

/** The session was played in another world: it can be opened there. */
export class OtherWorldError extends RecordingError {
  constructor(
    message: string,
    readonly saved: SavedSession,
  ) {
    super(message);
  }
}

/**
 * Plays a file: a session goes to where it was left, an action log is replayed from the present seed and start, then the
 * world is the person's. Nothing changes when the file can't be taken.
 * @param name of the open world, as links have it
 * @throws OtherWorldError, RecordingError
 */
export async function takeUpFile(session: Session, file: Blob, name: string): Promise<void> {
  if (file.size > LARGEST) {
    throw new RecordingError(
      `file: expected at most ${LARGEST / 2 ** 20} MB, got ${Math.round(file.size / 2 ** 20)} MB.`,
    );
  }
  const text = await file.text();
  if (looksLikeSession(text)) return takeUpSession(session, parseSession(text), name);
  if (looksLikeStory(text)) return takeUpStory(session, text);
  const { actions, told } = parseActionLog(session.world.manifest.actions, text);
  if (actions.length === 0) throw new RecordingError("file: expected a session or an action log, got an empty file.");
  await session.begin(session.beginning.value, actions, told);
}

/** Plays a story from its first shot to its last. */
async function takeUpStory(session: Session, text: string): Promise<void> {
  const { manifest } = session.world;
  const plan = await planStory(parseStory(text), manifest, async (file) => {
    throw new RecordingError(`actions, ${file}: ${CAN_BE_DIRECTED}`);
  });
  const told = plan.shots.flatMap((shot) => shot.told);
  if (told.length > 0 && !manifest.prompt) throw new PromptError(`prompt: ${manifest.name} takes none.`);
  if (told.length > 0) {
    const words = parseWords(await session.world.readWords(), manifest.prompt?.width ?? 0);
    for (const { text } of told) words.encode(text);
  }
  const { record, ...beginning } = recordStory(plan, manifest.actions.length);
  await session.load(beginning, record);
  await (await import("./story")).watchStory(session);
}

/** @param keyframe a state near the frame that it was left at, of the same package */
export async function takeUpSession(
  session: Session,
  saved: SavedSession,
  name: string,
  keyframe?: Snapshot,
): Promise<void> {
  const { world, loop } = session;
  const isSame = saved.packageSha256 === world.packageSha256;
  if (!isSame && saved.world !== name) {
    throw new OtherWorldError(`session: expected one of ${name}, got one of ${saved.world}.`, saved);
  }
  checkSession(saved, world.manifest);
  if (!isSame && !(await askToPlayOn(loop, "session"))) return;
  const { record, frameSha256, engine } = saved;
  await session.load(beginningOf(saved), record, isSame ? keyframe : undefined);
  const frame = session.frame();
  if (frame?.tick !== record.at.tick) return; // stopped on the way
  const here = `Tick ${frame.tick} of the session.`;
  const isOther = frameSha256 !== undefined && frameSha256 !== (await hashOf(frame));
  const made = `${engine.name}, ${engine.precision}`;
  const runs = `${world.backend.name}, ${precisionOf(world.backend)}`;
  if (isOther) announce(`${here} The picture isn't the one that was saved: it was made on ${made}, this is ${runs}.`);
  else announce(`${here} Go on to play from here.`);
}
