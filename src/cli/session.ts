/** Sessions saved in the page, as `rollout` plays them: one branch from the beginning to its end. */
import { RecordingError, ResetError } from "../errors";
import { createBranchTree, type Point } from "../model/branch-tree";
import { explain } from "../model/engine-choice";
import type { Manifest } from "../model/manifest";
import type { Drive } from "../model/prompt";
import type { World } from "../model/world";
import { checkSession, parseSession, precisionOf, type SavedSession } from "../record/session-file";
import { about, readInput } from "./input";
import type { RolloutOptions } from "./rollout";

/** A saved session, and which of its branches to play to which tick. */
export interface ChosenSession extends SavedSession {
  readonly to: Point;
}

/** The session that is asked for, null when none is. @throws RecordingError, ResetError when options contradict it */
export async function readSession(options: RolloutOptions): Promise<ChosenSession | null> {
  const { session: path, branch, world, actions } = options;
  if (path === undefined) {
    if (branch !== undefined) throw new ResetError("--branch: expected --session with it, got none");
    if (world === undefined) throw new ResetError("--world: expected a world, or --session, got neither");
    if (actions === undefined) throw new ResetError("--actions: expected a file, or --session, got neither");
    return null;
  }
  for (const name of ["seed", "start", "context", "contextActions", "actions", "prompt"] as const) {
    if (options[name] === undefined) continue;
    const option = name.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`);
    throw new ResetError(`expected --session or --${option}, got both: a session has its own`);
  }
  const text = new TextDecoder().decode(await readInput(path));
  const session = about(path, () => parseSession(text));
  return chooseBranch(path, session, branch);
}

/** By name, or by number from 1; absent: the one that it was left in. What is chosen begins where that branch does. */
export function chooseBranch(path: string, session: SavedSession, wanted?: string): ChosenSession {
  const { record } = session;
  const tree = createBranchTree(0, record);
  const branches = tree.all();
  const named = branches.filter(({ name }) => name === wanted);
  const number = /^\d+$/.test(wanted ?? "") ? Number(wanted) - 1 : -1;
  const found = wanted === undefined ? branches[record.at.branch] : (named[0] ?? branches[number]);
  if (found && named.length < 2) {
    const to = { branch: found.id, tick: found.end };
    const start = tree.start(to);
    const { picture: _, ...rest } = session;
    return start === undefined ? { ...session, to } : { ...rest, start, to };
  }
  const list = branches.map(({ name, end }, i) => `${i + 1} "${name}" (${end} ticks)`).join(", ");
  throw new RecordingError(`${path}: expected one of the branches ${list}, got "${wanted}"`);
}

/** The branch that is chosen, from its beginning. */
export function branchDrive({ record, to }: ChosenSession): Drive {
  const tree = createBranchTree(0, record);
  return { actions: tree.actions(to), told: tree.told(to) };
}

/** @throws RecordingError when the package or the action table is another one */
export function checkOrigin(path: string, session: SavedSession, packageSha256: string, manifest: Manifest): void {
  if (packageSha256 !== session.packageSha256) {
    throw new RecordingError(
      `${path}: expected the package ${session.packageSha256} of ${session.world}, got ${packageSha256}; it was made with another version of this world, check that one out`,
    );
  }
  about(path, () => checkSession(session, manifest));
}

/** In words: whether the frame that the page showed last came again. Empty when it doesn't lie on the branch. */
export function compareShown(
  session: ChosenSession,
  frameHashes: readonly string[],
  backend: World["backend"],
): string {
  const { to, record, frameSha256, engine } = session;
  const { at } = record;
  if (!frameSha256 || at.tick === 0 || createBranchTree(0, record).shared(at, to) < at.tick) return "";
  if (frameHashes[at.tick - 1] === frameSha256) return `; tick ${at.tick} is the frame that the page showed`;
  const inWords = (name: string, precision: string, detail?: string) =>
    `${name}, ${precision}${detail ? ` (${detail})` : ""}`;
  const made = inWords(engine.name, engine.precision, engine.detail);
  const here = inWords(backend.name, precisionOf(backend), explain(backend));
  return `; tick ${at.tick} isn't the frame that the page showed (made on ${made}; played on ${here})`;
}
