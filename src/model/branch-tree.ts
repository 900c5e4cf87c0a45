/**
 * A session as a tree of branches. A branch holds the actions that are its own, packed; those before its parting belong
 * to the branch it parts from. A branch that parts from none begins at a start of the world: the first one, and each cut.
 * Only actions and names: states are the journal's, pictures too.
 */
import type { Told } from "./prompt";
import type { Action } from "./world";

/** A frame of a session: every tick of a branch up to its end, ticks before its parting included. */
export interface Point {
  readonly branch: number;
  readonly tick: number;
}

export interface Branch {
  /** Never given twice in a session. */
  readonly id: number;
  readonly name: string;
  /** The last frame that it shares with the branch it parts from; null of the first branch and of a cut. */
  readonly parting: Point | null;
  /** Tick of its last frame. */
  readonly end: number;
}

/** A branch as it is saved. */
export interface BranchRecord {
  readonly name: string;
  /** Index of an earlier record, and the tick at which this one parts from it; null of the first and of a cut. */
  readonly parting: Point | null;
  /** Of a cut: which start of the world it begins at. The first branch begins where the session does. */
  readonly start?: number;
  /** float32 [ticks since the parting, actions]. */
  readonly actions: Float32Array;
  /** What the world was told on the ticks of its own; absent: nothing. */
  readonly told?: readonly Told[];
  /** sha256 of the RGB bytes of its last frame, in a file that says it; a tree that may grow doesn't keep it. */
  readonly frameSha256?: string;
}

interface Own {
  name: string;
  parting: Point | null;
  start?: number | undefined;
  /** Actions, of which the first `count` · width numbers are in use. */
  packed: Float32Array;
  count: number;
  /** On ticks of its own, in their order. */
  told: Told[];
}

export interface BranchTree {
  /** In the order in which they began. */
  all(): Branch[];
  get(id: number): Branch | undefined;
  readonly size: number;
  /** The same frame, named by the branch that holds its action. */
  owner(point: Point): Point;
  /** Which branches the way to a point leads through, and the last tick of each that lies on it. */
  way(point: Point): ReadonlyMap<number, number>;
  /** The last tick that the ways to two points have in common; the one before the first where a cut lies between. */
  shared(a: Point, b: Point): number;
  /** The start that the way to a point begins at; undefined: the session's beginning. */
  start(point: Point): number | undefined;
  /** The action that leads from this point to the next tick of its branch; undefined at the branch's end. A view. */
  action(point: Point): Action | undefined;
  /** All actions from the beginning to a point. Views. */
  actions(point: Point): Action[];
  /** What the world was told on the way to a point. */
  told(point: Point): Told[];
  /** @param prompt what the world was told with it */
  append(id: number, action: Action, prompt?: string): void;
  /** @returns the id of a new, empty branch that parts here */
  fork(point: Point): number;
  /** @returns the id of a new, empty branch that begins at a start of the world */
  cut(start: number): number;
  rename(id: number, name: string): void;
  /** Puts a branch before or behind its neighbour. @returns false where that parts from it, or it from that, or there is none */
  move(id: number, by: -1 | 1): boolean;
  /**
   * Takes a branch away. What others share with it stays: the one that parts from it last takes that over, and is
   * returned with the last tick that it took over.
   */
  remove(id: number): Point | null;
  /** Every branch behind the one it parts from, with the ids that they have here. */
  records(): { readonly width: number; readonly branches: BranchRecord[]; readonly ids: number[] };
}

/** Branches that nobody named are called so. */
const NUMBERED = /^Branch \d+$/;

export const isNamed = ({ name }: Pick<Branch, "name">): boolean => !NUMBERED.test(name);

/** @param first tick at which the session begins. @param saved branches, checked, and the numbers of an action; ids are their indices */
export function createBranchTree(
  first = 0,
  saved: { readonly width: number; readonly branches: readonly BranchRecord[] } = { width: 0, branches: [] },
): BranchTree {
  const branches = new Map<number, Own>();
  let next = 0;
  let values = saved.width; // of an action; known from the first one on

  const own = (id: number): Own => {
    const found = branches.get(id);
    if (found) return found;
    throw new RangeError(`branch ${id}: no such branch`);
  };
  const begin = ({ parting }: Own) => parting?.tick ?? first;
  const add = (branch: Own): number => {
    branches.set(next, branch);
    return next++;
  };
  const view = (id: number): Branch => {
    const branch = own(id);
    return { id, name: branch.name, parting: branch.parting, end: begin(branch) + branch.count };
  };
  const owner = ({ branch, tick }: Point): Point => {
    let id = branch;
    for (let { parting } = own(id); parting && tick <= parting.tick; { parting } = own(id)) id = parting.branch;
    return { branch: id, tick };
  };
  const actionAfter = ({ branch, tick }: Point): Action | undefined => {
    const at = own(owner({ branch, tick: tick + 1 }).branch);
    const index = tick - begin(at);
    return index >= 0 && index < at.count ? at.packed.subarray(index * values, (index + 1) * values) : undefined;
  };

  for (const { actions, told = [], ...own } of saved.branches) {
    add({ ...own, packed: actions, count: values > 0 ? actions.length / values : 0, told: [...told] });
  }
  if (branches.size === 0) add({ name: "Branch 1", parting: null, packed: new Float32Array(0), count: 0, told: [] });
  let named = branches.size; // numbers go on from here

  const way = (point: Point) => {
    const limits = new Map<number, number>();
    for (let at: Point | null = owner(point); at; at = own(at.branch).parting) limits.set(at.branch, at.tick);
    return limits;
  };

  return {
    all: () => [...branches.keys()].map(view),
    get: (id) => (branches.has(id) ? view(id) : undefined),
    get size() {
      return branches.size;
    },
    owner,
    way,
    shared(a, b) {
      const other = way(b);
      return Math.max(...[...way(a)].map(([id, limit]) => Math.min(limit, other.get(id) ?? first - 1)));
    },
    start: (point) => own([...way(point).keys()].at(-1) ?? 0).start,
    action: actionAfter,
    actions(point) {
      const found: Action[] = [];
      for (const [id, limit] of [...way(point)].reverse()) {
        const at = own(id);
        const count = Math.min(at.count, limit - begin(at));
        for (let i = 0; i < count; i++) found.push(at.packed.subarray(i * values, (i + 1) * values));
      }
      return found;
    },
    told: (point) =>
      [...way(point)].reverse().flatMap(([id, limit]) => own(id).told.filter(({ tick }) => tick <= limit)),
    append(id, action, prompt) {
      const branch = own(id);
      values ||= action.length;
      const at = branch.count * values;
      if (at + values > branch.packed.length) {
        const larger = new Float32Array(Math.max(64 * values, 2 * branch.packed.length));
        larger.set(branch.packed.subarray(0, at));
        branch.packed = larger;
      }
      branch.packed.set(action, at);
      branch.count += 1;
      if (prompt !== undefined) branch.told.push({ tick: begin(branch) + branch.count, text: prompt });
    },
    fork(point) {
      named += 1;
      return add({ name: `Branch ${named}`, parting: owner(point), packed: new Float32Array(0), count: 0, told: [] });
    },
    cut(start) {
      named += 1;
      return add({ name: `Branch ${named}`, parting: null, start, packed: new Float32Array(0), count: 0, told: [] });
    },
    rename(id, name) {
      own(id).name = name;
    },
    move(id, by) {
      const order = [...branches];
      const at = order.findIndex(([each]) => each === id);
      const [low, high] = [order[Math.min(at, at + by)], order[Math.max(at, at + by)]];
      if (!low || !high || high[1].parting?.branch === low[0]) return false;
      order[Math.min(at, at + by)] = high;
      order[Math.max(at, at + by)] = low;
      branches.clear();
      for (const [each, branch] of order) branches.set(each, branch);
      return true;
    },
    remove(id) {
      const gone = own(id);
      branches.delete(id);
      const children = [...branches.entries()].filter(([, { parting }]) => parting?.branch === id);
      const [heirId, heir] = children.reduce<[number, Own] | []>(
        (last, child) => (child[1].parting && child[1].parting.tick > (last[1]?.parting?.tick ?? -1) ? child : last),
        [],
      );
      if (heirId === undefined || !heir?.parting) return null;
      const shared = heir.parting.tick - begin(gone);
      const packed = new Float32Array((shared + heir.count) * values);
      packed.set(gone.packed.subarray(0, shared * values));
      packed.set(heir.packed.subarray(0, heir.count * values), shared * values);
      const taken = { branch: heirId, tick: heir.parting.tick };
      const told = [...gone.told.filter(({ tick }) => tick <= taken.tick), ...heir.told];
      Object.assign(heir, { parting: gone.parting, start: gone.start, packed, count: shared + heir.count, told });
      for (const [childId, child] of children) {
        if (childId !== heirId && child.parting) child.parting = { branch: heirId, tick: child.parting.tick };
      }
      return taken;
    },
    records() {
      const order = new Set<number>(); // that in which they began, but for those that took over from an older one
      for (const [id] of branches) {
        const line: number[] = [];
        for (let at: number | undefined = id; at !== undefined && !order.has(at); at = own(at).parting?.branch)
          line.push(at);
        for (const each of line.reverse()) order.add(each);
      }
      const indices = new Map([...order].map((id, index) => [id, index]));
      const indexOf = (id: number) => indices.get(id) ?? 0;
      const record = (id: number): BranchRecord => {
        const { name, parting, start, packed, count, told } = own(id);
        return {
          ...(told.length > 0 ? { told: [...told] } : {}),
          ...(start === undefined ? {} : { start }),
          name,
          parting: parting && { branch: indexOf(parting.branch), tick: parting.tick },
          actions: packed.slice(0, count * values),
        };
      };
      return { width: values, branches: [...order].map(record), ids: [...order] };
    },
  };
}
