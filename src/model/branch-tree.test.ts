import { expect, test } from "vitest";
import { createBranchTree } from "./branch-tree";
import { createSparse } from "./sparse";

const push = (tree: ReturnType<typeof createBranchTree>, id: number, ...values: number[]) => {
  for (const value of values) tree.append(id, Float32Array.of(value));
};
const values = (tree: ReturnType<typeof createBranchTree>, branch: number, tick: number) =>
  tree.actions({ branch, tick }).map(([value]) => value);

/** 0: 1 2 3 4; parting at 2, 1: 5 6 7; parting from 1 at 4, 2: 8; and from 0 at 0, 3: 9. */
function family() {
  const tree = createBranchTree();
  push(tree, 0, 1, 2, 3, 4);
  push(tree, tree.fork({ branch: 0, tick: 2 }), 5, 6, 7);
  push(tree, tree.fork({ branch: 1, tick: 4 }), 8);
  push(tree, tree.fork({ branch: 2, tick: 0 }), 9);
  return tree;
}

test("a branch shares its past with those it parts from", () => {
  const tree = family();
  expect(values(tree, 2, 5)).toEqual([1, 2, 5, 6, 8]);
  expect(values(tree, 3, 1)).toEqual([9]);
  expect(tree.owner({ branch: 2, tick: 2 })).toEqual({ branch: 0, tick: 2 });
  expect(tree.owner({ branch: 2, tick: 3 })).toEqual({ branch: 1, tick: 3 });
  expect(tree.shared({ branch: 2, tick: 5 }, { branch: 0, tick: 4 })).toBe(2);
  expect(tree.shared({ branch: 1, tick: 3 }, { branch: 2, tick: 5 })).toBe(3);
  expect(tree.shared({ branch: 3, tick: 1 }, { branch: 0, tick: 4 })).toBe(0);
  expect(tree.action({ branch: 1, tick: 5 })).toBeUndefined();
});

test.each([0, 1, 2, 3])("taking branch %i away leaves every other one its actions", (gone) => {
  const tree = family();
  const ends = tree.all().map(({ id, end }) => [id, end] as const);
  const before = ends.map(([id, end]) => values(tree, id, end));
  tree.remove(gone);
  for (const [id, end] of ends) if (id !== gone) expect(values(tree, id, end)).toEqual(before[id]);
  expect(tree.all().map(({ id }) => id)).not.toContain(gone);
  const again = createBranchTree(0, tree.records());
  const drives = (one: typeof tree) => one.all().map(({ name, id, end }) => [name, values(one, id, end)]);
  expect(Object.fromEntries(drives(again))).toEqual(Object.fromEntries(drives(tree)));
});

test("a cut begins at a start of the world and shares nothing; what parts from it begins there, too", () => {
  const tree = family();
  const cut = tree.cut(7);
  push(tree, cut, 1, 2, 3);
  const child = tree.fork({ branch: cut, tick: 2 });
  push(tree, child, 6);
  const end = { branch: child, tick: 3 };
  expect(values(tree, child, 3)).toEqual([1, 2, 6]);
  expect([tree.start(end), tree.start({ branch: 2, tick: 5 })]).toEqual([7, undefined]);
  expect([tree.shared(end, { branch: cut, tick: 3 }), tree.shared(end, { branch: 0, tick: 4 })]).toEqual([2, -1]);
  const { branches, ids, width } = tree.records();
  expect(ids).toEqual([0, 1, 2, 3, cut, child]); // in the order in which they began
  expect(branches[4]).toMatchObject({ parting: null, start: 7 });
  expect(createBranchTree(0, { width, branches }).start({ branch: 5, tick: 3 })).toBe(7);
  tree.remove(cut);
  expect([values(tree, child, 3), tree.start(end)]).toEqual([[1, 2, 6], 7]);
});

test("a chain of many branches, each parting from the one before, is saved and taken up", () => {
  const tree = createBranchTree();
  for (let i = 0; i < 10_000; i++) {
    push(tree, i, i);
    tree.fork({ branch: i, tick: i + 1 });
  }
  const { branches, ids, width } = tree.records();
  expect(ids).toEqual(Array.from({ length: 10_001 }, (_, i) => i));
  expect(branches[9999]?.parting).toEqual({ branch: 9998, tick: 9999 });
  const again = createBranchTree(0, { width, branches });
  expect(values(again, 10_000, 10_000)).toEqual(Array.from({ length: 10_000 }, (_, i) => i));
});

test("values go over to the branch that takes over, and stay in order", () => {
  const tree = family();
  const kept = createSparse<string>(tree, 100, () => 1);
  for (const point of [
    { branch: 0, tick: 1 },
    { branch: 0, tick: 4 },
    { branch: 1, tick: 3 },
    { branch: 2, tick: 5 },
  ]) {
    kept.add(point, `${point.branch}:${point.tick}`);
  }
  expect(kept.before({ branch: 2, tick: 4 })?.value).toBe("1:3");
  expect(kept.before({ branch: 2, tick: 2 })?.value).toBe("0:1");
  expect(kept.before({ branch: 3, tick: 1 })).toBeUndefined();
  kept.removed(0, tree.remove(0));
  expect(kept.entries().map(({ value }) => value)).toEqual(["0:1", "1:3", "2:5"]);
  expect(kept.before({ branch: 2, tick: 2 })?.value).toBe("0:1");
  expect(kept.bytes).toBe(3);
});

test("adding at the same frame replaces", () => {
  const kept = createSparse<number>(createBranchTree(), 100, (bytes) => bytes);
  kept.add({ branch: 0, tick: 0 }, 10);
  kept.add({ branch: 0, tick: 0 }, 20);
  expect([kept.entries().length, kept.bytes]).toEqual([1, 20]);
});
