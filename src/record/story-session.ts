/** A story as a session, in which each shot is a branch, and a session as a story. */
import { nameAction } from "../action/action";
import { RecordingError } from "../errors";
import type { StartBeginning } from "../model/beginning";
import { type BranchRecord, createBranchTree } from "../model/branch-tree";
import type { SessionRecord } from "../model/journal";
import type { Manifest } from "../model/manifest";
import type { SavedSession } from "./session-file";
import { MOST_SHOTS, type Shot, type Story, type StoryPlan } from "./story-file";

/**
 * A story whose actions are all known, as a session that hasn't been played yet: each shot is a branch.
 * @param width numbers of an action
 */
export function recordStory(
  { seed, start, shots }: StoryPlan,
  width: number,
): StartBeginning & { readonly record: SessionRecord } {
  const ends: number[] = [];
  const branches = shots.map(({ name, from, frames, told, actions }, index): BranchRecord => {
    if ("policy" in actions) throw new RecordingError(`shot ${index + 1}: policy: ${CAN_BE_DIRECTED}`);
    const parting = "after" in from ? { branch: from.after, tick: ends[from.after] ?? 0 } : null;
    const begin = parting?.tick ?? 0;
    ends.push(begin + frames);
    return {
      ...{ name, parting, actions: Float32Array.from(actions.flatMap((action) => [...action])) },
      ...("start" in from && index > 0 ? { start: from.start } : {}),
      ...(told.length === 0 ? {} : { told: told.map(({ tick, text }) => ({ tick: begin + tick, text })) }),
    };
  });
  return { seed, start, record: { width, branches, at: { branch: 0, tick: 0 } } };
}

/** What a page can't do, which reads no files and has no drivers. */
export const CAN_BE_DIRECTED =
  "the page plays actions that are written in the file, or held. Have `worldloop direct` play it, then open the session that it writes.";

/**
 * A session as a story: its branches in order, parted where others part from them and where the world is told something.
 * @throws RecordingError where it began at a picture of somebody's own, and where nothing was done yet
 */
export function storyOf({ seed, start, picture, record }: Omit<SavedSession, "world">, manifest: Manifest): Story {
  if (picture) throw new RecordingError("shots: expected a session from a start of the world, got one from a picture.");
  const { branches, width } = record;
  const tree = createBranchTree(0, record);
  const shots: Shot[] = [];
  const names = new Map<string, string>(); // of the shot that ends at a frame
  for (const [branch, { name, parting, actions, told = [] }] of branches.entries()) {
    const [begin, end] = [parting?.tick ?? 0, tree.get(branch)?.end ?? 0];
    const cut = tree.start({ branch, tick: end }) ?? start;
    const partings = branches.flatMap((other) => (other.parting?.branch === branch ? [other.parting.tick] : []));
    const ends = [...new Set([...partings, ...told.map(({ tick }) => tick - 1), end])];
    let from = begin;
    for (const to of ends.filter((tick) => tick > begin && tick <= end).sort((a, b) => a - b)) {
      const before = tree.owner({ branch, tick: from });
      const after = names.get(`${before.branch}:${before.tick}`);
      const called = uniqueName(name, shots);
      const prompt = told.find(({ tick }) => tick === from + 1)?.text;
      const vectors = Array.from({ length: to - from }, (_, i) => {
        const at = (from - begin + i) * width;
        return nameAction(actions.subarray(at, at + width), manifest.actions);
      });
      shots.push({
        name: called,
        begin: after === undefined ? { start: cut } : after === shots.at(-1)?.name ? "continue" : { return: after },
        ...{ frames: to - from, ...(prompt === undefined ? {} : { prompt }), actions: vectors },
      });
      names.set(`${branch}:${to}`, called);
      from = to;
    }
  }
  if (shots.length === 0 || shots.length > MOST_SHOTS) {
    throw new RecordingError(`shots: expected 1 to ${MOST_SHOTS}, got ${shots.length}.`);
  }
  return { format: "worldloop-shots", version: 1, seed, shots };
}

/** "road", then "road 2", as no two shots are called the same. */
function uniqueName(name: string, shots: readonly Shot[]): string {
  const isTaken = (wanted: string) => shots.some((shot) => shot.name === wanted);
  let [made, number] = [name, 2];
  while (isTaken(made)) made = `${name.slice(0, 70)} ${number++}`;
  return made;
}
