/**
 * What the page remembers of a session: every action ever taken, as a tree of branches; where it is now; and, within
 * budgets, states to start a replay from and thumbnails. From it a new worker comes back to the exact tick after a
 * crash, and any tick of any branch can be played again. Knows no worker; `recorded-world.ts` fills it and reads it.
 *
 * Nothing is forgotten when time goes back: an action that differs from the one recorded there begins a new branch.
 */
import { StateError } from "../errors";
import { type Branch, type BranchRecord, type BranchTree, createBranchTree, isNamed, type Point } from "./branch-tree";
import { promptWith, type Told } from "./prompt";
import { createSparse, type Sparse } from "./sparse";
import { type Thumbnail, thumbnailOf } from "./thumbnail";
import type { Action, Frame, ResetOptions, Snapshot } from "./world";

/** Ticks. A restart plays at most this many again: two seconds at 25 ticks/s. */
const SNAPSHOT_EVERY = 50;
/** Ticks between two thumbnails while there is room: a second at 25 ticks/s. */
const THUMBNAIL_EVERY = 25;
/** Bytes of states: some 295 of the shipped worlds (454,656 bytes each), one every 340 to 680 ticks of 100,000. */
export const KEYFRAME_BUDGET = 128 * 2 ** 20;
/** Bytes of thumbnails: some 450 of the shipped worlds (9,216 bytes each). */
export const THUMBNAIL_BUDGET = 4 * 2 ** 20;
/** A session that branches at every second tick shouldn't fill the memory either: the shortest unnamed one goes then. */
const MOST_BRANCHES = 200;

/** How to bring a session back: begin there, then take these actions. */
export interface Recovery {
  readonly from: { readonly reset: ResetOptions } | { readonly snapshot: Snapshot };
  readonly actions: readonly Action[];
  /** What the world was told on the way; ticks are the session's. */
  readonly told: readonly Told[];
}

/** A session as it is saved: its branches, and the frame it was left at. */
export interface SessionRecord {
  /** Numbers of an action; 0 when there is none yet. */
  readonly width: number;
  readonly branches: readonly BranchRecord[];
  /** Index of a branch, and a tick of it. */
  readonly at: Point;
}

export interface Budgets {
  readonly keyframes: number;
  readonly thumbnails: number;
}

/** What the page may see and change of a journal. */
export interface JournalView {
  /** Where the session began; null before it did. */
  readonly from: Recovery["from"] | null;
  /** Tick of the session's first frame. */
  readonly first: number;
  /** The newest frame: its branch and tick. */
  readonly position: Point;
  branches(): Branch[];
  /** Actions that lead to a point, by default the newest frame. Views: copy what is to be kept. */
  actions(to?: Point): Action[];
  /** What the world was told on the way to a point, by default the newest frame. */
  told(to?: Point): Told[];
  /** The start that the way to a point begins at, by default the newest frame's; undefined: where the session began. */
  start(to?: Point): number | undefined;
  /** The recorded action after a point, undefined at its branch's end. */
  action(after: Point): Action | undefined;
  /** The same frame, named by the branch that holds it. */
  owner(point: Point): Point;
  /** The last tick that the ways to two points have in common. */
  shared(a: Point, b: Point): number;
  readonly thumbnails: Pick<Sparse<Thumbnail>, "before" | "entries">;
  /** The state kept last on the way to the newest frame, and the branch that holds that tick. */
  keyframe(): { readonly point: Point; readonly value: Snapshot } | undefined;
  rename(branch: number, name: string): void;
  /** Puts a branch before or behind its neighbour in their order. @returns false where one parts from the other */
  move(branch: number, by: -1 | 1): boolean;
  /** The next action begins a new branch, whether or not it differs from what is recorded there. */
  part(): void;
  /** Deletes a branch other than the one that is played; what others share with it stays. */
  remove(branch: number): void;
  /** With the ids that its branches have here. */
  record(): SessionRecord & { readonly ids: readonly number[] };
  /** Changes with every action, branch and name: what a store compares to know whether to save. */
  readonly revision: number;
  /** Changes when another session begins. */
  readonly session: number;
  readonly bytes: Budgets;
}

export interface Journal extends JournalView {
  /** A new session began: empty, or a recorded one, at its first frame, with a state on the way to its last. */
  began(from: Recovery["from"], recorded?: SessionRecord, keyframe?: Snapshot): void;
  /** From the position an action was taken, and the position moves on: into a new branch when the action is another one. */
  acted(action: Action, prompt?: string): void;
  /** The session goes on at a start of the world, on a new branch that begins there. */
  cut(start: number): void;
  /** The position is another one now. */
  moved(to: Point): void;
  /** A frame was seen at the position; it may become a thumbnail. */
  seen(frame: Frame): void;
  /** A token to hand to `keep` when it is time for a snapshot, otherwise null. Asks once per snapshot. */
  due(): Token | null;
  /** Keeps a snapshot, unless its session or branch has gone in the meantime. */
  keep(token: Token, snapshot: Snapshot): void;
  /** From the nearest kept state to a point. Null before a session began. */
  wayTo(point: Point): (Recovery & { readonly tick: number }) | null;
  /** Null before a session began. */
  recovery(): Recovery | null;
}

/** For which frame of which session a snapshot was asked. */
export interface Token {
  readonly session: number;
  readonly point: Point;
}

export function createJournal(
  budgets: Budgets = { keyframes: KEYFRAME_BUDGET, thumbnails: THUMBNAIL_BUDGET },
): Journal {
  let from: Recovery["from"] | null = null;
  let tree: BranchTree;
  let keyframes: Sparse<Snapshot>;
  let thumbnails: Sparse<Thumbnail>;
  let position: Point = { branch: 0, tick: 0 };
  let asked: Point | null = null; // the newest snapshot asked for
  let parts = false; // whether the next action begins a new branch
  let session = 0;
  let revision = 0;

  const firstTick = () => (from && "snapshot" in from ? from.snapshot.tick : 0);
  const start = (recorded?: SessionRecord) => {
    tree = createBranchTree(firstTick(), recorded);
    keyframes = createSparse(tree, budgets.keyframes, snapshotBytes);
    thumbnails = createSparse(tree, budgets.thumbnails, ({ rgba }) => rgba.length);
    position = { branch: tree.all()[0]?.id ?? 0, tick: firstTick() };
    asked = null;
    parts = false;
    session += 1;
    revision += 1;
  };
  start();

  const take = (id: number) => {
    const heir = tree.remove(id);
    keyframes.removed(id, heir);
    thumbnails.removed(id, heir);
    if (asked?.branch === id) asked = null;
    revision += 1;
  };
  /** Of the branches that nobody named, that nothing parts from and that aren't played: the shortest. */
  const prune = () => {
    const branches = tree.all();
    const way = tree.way(position);
    const parents = new Set(branches.map(({ parting }) => parting?.branch));
    const length = ({ end, parting }: Branch) => end - (parting?.tick ?? firstTick());
    const loose = branches.filter((branch) => !isNamed(branch) && !parents.has(branch.id) && !way.has(branch.id));
    const least = loose.sort((a, b) => length(a) - length(b))[0];
    if (least) take(least.id);
  };
  const wayTo = (point: Point) => {
    if (from === null) return null;
    const start = tree.start(point);
    const { seed } = "reset" in from ? from.reset : from.snapshot;
    const beginning = start === undefined ? from : { reset: { seed, start } };
    const kept = keyframes.before(point);
    const tick = kept?.point.tick ?? firstTick();
    const actions = tree.actions(point).slice(tick - firstTick());
    const told = tree.told(point).filter((each) => each.tick > tick);
    return {
      from: kept ? { snapshot: kept.value } : beginning,
      actions: actions.map((action) => action.slice()),
      told,
      tick,
    };
  };

  return {
    get from() {
      return from;
    },
    get first() {
      return firstTick();
    },
    get position() {
      return position;
    },
    get thumbnails() {
      return thumbnails;
    },
    get revision() {
      return revision;
    },
    get session() {
      return session;
    },
    get bytes() {
      return { keyframes: keyframes.bytes, thumbnails: thumbnails.bytes };
    },
    branches: () => tree.all(),
    actions: (to = position) => tree.actions(to),
    told: (to = position) => tree.told(to),
    start: (to = position) => tree.start(to),
    action: (after) => tree.action(after),
    owner: (point) => tree.owner(point),
    shared: (a, b) => tree.shared(a, b),
    keyframe: () => keyframes.before(position),
    rename(branch, name) {
      tree.rename(branch, name);
      revision += 1;
    },
    move(branch, by) {
      const moved = tree.move(branch, by);
      if (moved) revision += 1;
      return moved;
    },
    part() {
      parts = position.tick > firstTick();
    },
    remove(branch) {
      if (branch === position.branch) {
        throw new StateError(
          "branch: expected one that isn't played, got the one that is. Switch to another one first.",
        );
      }
      take(branch);
    },
    record() {
      const records = tree.records();
      return { ...records, at: { branch: records.ids.indexOf(position.branch), tick: position.tick } };
    },
    began(origin, recorded, keyframe) {
      from = origin;
      start(recorded);
      if (!recorded || !keyframe || keyframe.tick > recorded.at.tick) return;
      keyframes.add({ branch: recorded.at.branch, tick: keyframe.tick }, keyframe);
    },
    acted(action, prompt) {
      const recorded = tree.action(position);
      const here = { branch: position.branch, tick: position.tick + 1 };
      const isOther = recorded && !(same(recorded, action) && promptWith(tree.told(here), here.tick) === prompt);
      const isNew = parts || isOther;
      if (isNew) position = { branch: tree.fork(position), tick: position.tick };
      if (isNew || !recorded) {
        tree.append(position.branch, action, prompt);
        revision += 1;
      }
      parts = false;
      position = { branch: position.branch, tick: position.tick + 1 };
      if (isNew && tree.size > MOST_BRANCHES) prune(); // now that the way leads through the new one
    },
    cut(start) {
      position = { branch: tree.cut(start), tick: 0 };
      parts = false;
      if (tree.size > MOST_BRANCHES) prune();
      revision += 1;
    },
    moved(to) {
      parts = false;
      position = to;
    },
    seen(frame) {
      const last = thumbnails.before(position);
      if (!last || frame.tick - last.point.tick >= THUMBNAIL_EVERY) thumbnails.add(position, thumbnailOf(frame));
    },
    due() {
      if (from === null) return null;
      const near = keyframes.before(position)?.point.tick ?? firstTick();
      const pending = asked && (tree.way(position).get(asked.branch) ?? -1) >= asked.tick ? asked.tick : near;
      if (position.tick - Math.max(near, pending) < SNAPSHOT_EVERY) return null;
      asked = tree.owner(position);
      return { session, point: asked };
    },
    keep(token, snapshot) {
      const branch = token.session === session ? tree.get(token.point.branch) : undefined;
      if (!branch || snapshot.tick !== token.point.tick || snapshot.tick > branch.end) return;
      keyframes.add(token.point, snapshot);
    },
    wayTo,
    recovery: () => wayTo(position),
  };
}

const same = (a: Action, b: Action): boolean => a.length === b.length && a.every((value, i) => value === b[i]);

/** Bytes that a state takes by itself; in the worker neighbours share their slots. */
export function snapshotBytes({ latent, slots, frame, guide }: Snapshot): number {
  const arrays = new Set([latent, ...slots, guide]);
  return [...arrays].reduce((sum, array) => sum + (array?.byteLength ?? 0), frame.rgba.byteLength);
}
