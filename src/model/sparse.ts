/**
 * Values kept at some frames of a session, within a budget of bytes. When it is full, the value nearest behind another
 * one goes: early and late ticks end up equally far apart, and twice as long a session has values half as dense.
 */
import type { BranchTree, Point } from "./branch-tree";

/** The newest are always kept: after a crash, and for going back a little, the session starts from them. */
const NEWEST_KEPT = 3;

export interface Sparse<T> {
  /** Replaces what is kept at the same frame. */
  add(point: Point, value: T): void;
  /** The last one on the way to a point, the point included. */
  before(point: Point): { readonly point: Point; readonly value: T } | undefined;
  entries(): readonly { readonly point: Point; readonly value: T }[];
  /** After a branch was removed: `heir` took over its frames up to a tick, null: nobody did. */
  removed(branch: number, heir: Point | null): void;
  readonly bytes: number;
}

interface Entry<T> {
  readonly point: Point;
  readonly value: T;
  readonly bytes: number;
  /** Counts additions. */
  readonly age: number;
}

/** @param budget bytes; a few of the newest are kept even if they are more */
export function createSparse<T>(tree: BranchTree, budget: number, bytesOf: (value: T) => number): Sparse<T> {
  let entries: Entry<T>[] = []; // by branch, then tick
  let bytes = 0;
  let added = 0;

  const drop = (index: number) => {
    bytes -= entries[index]?.bytes ?? 0;
    entries.splice(index, 1);
  };
  /** Ticks to the one before it on its branch, or to the branch's parting. */
  const gap = (index: number): number => {
    const entry = entries[index] as Entry<T>;
    const previous = entries[index - 1];
    const from = previous?.point.branch === entry.point.branch ? previous.point.tick : undefined;
    return entry.point.tick - (from ?? tree.get(entry.point.branch)?.parting?.tick ?? 0);
  };
  const thin = () => {
    let least = -1;
    for (let i = 0; i < entries.length; i++) {
      if ((entries[i] as Entry<T>).age > added - NEWEST_KEPT) continue;
      if (least < 0 || gap(i) < gap(least)) least = i;
    }
    if (least >= 0) drop(least);
  };
  const place = (point: Point) => {
    const at = entries.findIndex(
      ({ point: { branch, tick } }) => branch > point.branch || (branch === point.branch && tick >= point.tick),
    );
    return at < 0 ? entries.length : at;
  };

  return {
    add(at, value) {
      const point = tree.owner(at);
      const index = place(point);
      const there = entries[index]?.point;
      if (there?.branch === point.branch && there.tick === point.tick) drop(index);
      const size = bytesOf(value);
      added += 1;
      entries.splice(index, 0, { point, value, bytes: size, age: added });
      bytes += size;
      while (bytes > budget && entries.length > NEWEST_KEPT) thin();
    },
    before(point) {
      const way = tree.way(point);
      let found: Entry<T> | undefined;
      for (const entry of entries) {
        const limit = way.get(entry.point.branch);
        if (limit === undefined || entry.point.tick > limit) continue;
        if (!found || entry.point.tick > found.point.tick) found = entry;
      }
      return found;
    },
    entries: () => entries,
    removed(branch, heir) {
      const own = entries.filter(({ point }) => point.branch === branch);
      entries = entries.filter(({ point }) => point.branch !== branch);
      bytes = entries.reduce((sum, entry) => sum + entry.bytes, 0);
      for (const entry of own) {
        if (!heir || entry.point.tick > heir.tick) continue;
        const point = { branch: heir.branch, tick: entry.point.tick };
        entries.splice(place(point), 0, { ...entry, point });
        bytes += entry.bytes;
      }
    },
    get bytes() {
      return bytes;
    },
  };
}
