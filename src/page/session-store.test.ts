import "fake-indexeddb/auto";
import { IDBObjectStore } from "fake-indexeddb";
import { afterEach, expect, it, vi } from "vitest";
import type { SavedSession } from "../record/session-file";
import { type Change, forgetAll, type KeptSession, openSessionStore, type SessionStore } from "./session-store";

let store: SessionStore;
const fresh = async () => {
  store = await openSessionStore();
  return store;
};
afterEach(async () => {
  vi.restoreAllMocks();
  store.close();
  await forgetAll();
});

const base: Omit<SavedSession, "record"> = {
  world: "fake",
  packageSha256: "a".repeat(64),
  engine: { name: "own", precision: "float32" },
  ...{ seed: 7, start: 1, actionNames: ["steer", "gas"] },
};
type Branches = KeptSession["branches"];
const kept = (id: string, branches: Branches, at: KeptSession["at"], updated = 1): KeptSession => ({
  ...base,
  ...{ id, title: "Fake", updated, width: 2, branches, at, thumbnail: null },
});
/** Tick t of a side is [t, side]. */
const values = (from: number, to: number, side: number) =>
  Float32Array.from({ length: (to - from) * 2 }, (_, i) => (i % 2 === 0 ? from + i / 2 + 1 : side));
const root = (ticks: number): Branches => [{ id: 0, name: "Branch 1", parting: null, ticks }];
const change = (session: KeptSession, actions: Change["actions"], goesOn: boolean): Change => ({
  ...{ session, actions, gone: [], goesOn },
});

it("grows second by second, over the borders of its chunks, and comes back whole", async () => {
  const store = await fresh();
  let ticks = 0;
  for (const next of [25, 50, 1020, 1024, 1030, 3000, 3001]) {
    const actions = [{ branch: 0, from: ticks, values: values(ticks, next, 1) }];
    expect(await store.save(change(kept("a", root(next), { branch: 0, tick: next }), actions, ticks > 0))).toBe(true);
    ticks = next;
  }
  const { saved } = await store.load("a");
  expect(saved).toEqual({
    ...base,
    record: {
      width: 2,
      branches: [{ name: "Branch 1", parting: null, actions: values(0, 3001, 1) }],
      at: { branch: 0, tick: 3001 },
    },
  });
});

it("keeps what was told on a branch, and where a cut begins", async () => {
  const store = await fresh();
  const told = [{ tick: 2, text: "night" }];
  const branches: Branches = [
    { id: 0, name: "Branch 1", parting: null, ticks: 2, told },
    { id: 4, name: "Branch 2", parting: null, start: 3, ticks: 1 },
  ];
  const actions = [
    { branch: 0, from: 0, values: values(0, 2, 1) },
    { branch: 4, from: 0, values: values(0, 1, 1) },
  ];
  await store.save(change(kept("a", branches, { branch: 4, tick: 1 }), actions, false));
  const { saved } = await store.load("a");
  expect(saved.record.branches).toMatchObject([{ told }, { parting: null, start: 3 }]);
});

it("gives a kept state back only where it lies on the way to where the session was left", async () => {
  const store = await fresh();
  const branches: Branches = [
    { id: 0, name: "Branch 1", parting: null, ticks: 5 },
    { id: 3, name: "Branch 2", parting: { branch: 0, tick: 2 }, ticks: 4 },
    { id: 4, name: "Branch 3", parting: null, start: 1, ticks: 6 },
  ];
  const actions = branches.map(({ id, ticks }) => ({ branch: id, from: 0, values: values(0, ticks, id) }));
  const keyframeOf = async (at: KeptSession["at"], branch: number | undefined, tick: number) => {
    const state = { tick, ...(branch === undefined ? {} : { branch }) } as Change["keyframe"];
    await store.save({ ...change(kept("a", branches, at), actions, false), keyframe: state });
    return (await store.load("a")).keyframe;
  };
  expect(await keyframeOf({ branch: 3, tick: 6 }, 3, 5)).toEqual({ tick: 5 });
  expect(await keyframeOf({ branch: 3, tick: 6 }, 0, 2)).toEqual({ tick: 2 });
  expect(await keyframeOf({ branch: 3, tick: 6 }, 0, 4)).toBeUndefined(); // behind the parting
  expect(await keyframeOf({ branch: 3, tick: 6 }, 4, 4)).toBeUndefined(); // after a cut
  expect(await keyframeOf({ branch: 4, tick: 6 }, 4, 4)).toEqual({ tick: 4 });
  expect(await keyframeOf({ branch: 4, tick: 3 }, 4, 4)).toBeUndefined(); // later
  expect(await keyframeOf({ branch: 4, tick: 6 }, undefined, 4)).toBeUndefined(); // of an earlier release
});

it("keeps branches by their ids, and drops those that are gone", async () => {
  const store = await fresh();
  const branches: Branches = [
    { id: 0, name: "Branch 1", parting: null, ticks: 5 },
    { id: 3, name: "other", parting: { branch: 0, tick: 2 }, ticks: 2 },
  ];
  const actions = [
    { branch: 0, from: 0, values: values(0, 5, 1) },
    { branch: 3, from: 0, values: values(2, 4, -1) },
  ];
  await store.save(change(kept("a", branches, { branch: 3, tick: 4 }), actions, false));
  expect((await store.load("a")).saved.record).toMatchObject({
    at: { branch: 1, tick: 4 },
    branches: [{ parting: null }, { parting: { branch: 0, tick: 2 }, actions: values(2, 4, -1) }],
  });
  const whole = Float32Array.of(...values(0, 2, 1), ...values(2, 4, -1));
  const heir: Branches = [{ id: 3, name: "other", parting: null, ticks: 4 }];
  const taken = change(kept("a", heir, { branch: 3, tick: 4 }), [{ branch: 3, from: 0, values: whole }], true);
  await store.save({ ...taken, gone: [0] });
  expect((await store.load("a")).saved.record.branches).toEqual([{ name: "other", parting: null, actions: whole }]);
});

it("leaves what was saved before whole when the storage is full", async () => {
  const store = await fresh();
  const first = change(
    kept("a", root(2000), { branch: 0, tick: 2000 }),
    [{ branch: 0, from: 0, values: values(0, 2000, 1) }],
    false,
  );
  await store.save(first);
  const put = IDBObjectStore.prototype.put;
  vi.spyOn(IDBObjectStore.prototype, "put").mockImplementation(function (this: IDBObjectStore, ...args) {
    if (this.name === "actions") throw new DOMException("full", "QuotaExceededError");
    return put.apply(this, args);
  });
  const next = change(
    kept("a", root(2025), { branch: 0, tick: 2025 }),
    [{ branch: 0, from: 2000, values: values(2000, 2025, 1) }],
    true,
  );
  await expect(store.save(next)).rejects.toMatchObject({ name: "QuotaExceededError" });
  vi.restoreAllMocks();
  const { saved } = await store.load("a");
  expect(saved.record.at).toEqual({ branch: 0, tick: 2000 });
  expect(saved.record.branches[0]?.actions).toEqual(values(0, 2000, 1));
});

it("asks for everything when the session has been forgotten meanwhile", async () => {
  const store = await fresh();
  await store.save(
    change(kept("a", root(2), { branch: 0, tick: 2 }), [{ branch: 0, from: 0, values: values(0, 2, 1) }], false),
  );
  await store.forget("a");
  const next = [{ branch: 0, from: 2, values: values(2, 4, 1) }];
  expect(await store.save(change(kept("a", root(4), { branch: 0, tick: 4 }), next, true))).toBe(false);
  expect(await store.list()).toEqual([]);
  await expect(store.load("a")).rejects.toMatchObject({ name: "RecordingError", message: /is gone/ });
});

it("goes on after the storage was cleared in another tab", async () => {
  const store = await fresh();
  const whole = (goesOn: boolean) =>
    change(kept("a", root(2), { branch: 0, tick: 2 }), [{ branch: 0, from: 0, values: values(0, 2, 1) }], goesOn);
  await store.save(whole(false));
  await forgetAll();
  expect(await store.list()).toEqual([]);
  expect(await store.save(whole(true))).toBe(false);
  expect(await store.save(whole(false))).toBe(true);
});

it("lists the newest first, takes the place of the one it goes on from, and lets the oldest go", async () => {
  const store = await fresh();
  const save = (id: string, updated: number, replaces?: string) =>
    store.save({
      ...change(
        kept(id, root(1), { branch: 0, tick: 1 }, updated),
        [{ branch: 0, from: 0, values: values(0, 1, 1) }],
        false,
      ),
      replaces,
    });
  for (let i = 0; i < 25; i++) await save(`s${i}`, i);
  expect((await store.list()).slice(0, 2).map(({ id }) => id)).toEqual(["s24", "s23"]);
  await save("new", 99, "s24");
  expect((await store.list()).map(({ id }) => id)).not.toContain("s24");
  await store.trim(new Set(["s0"]));
  const left = (await store.list()).map(({ id }) => id);
  expect(left).toHaveLength(21);
  expect(left).toEqual(expect.arrayContaining(["new", "s23", "s0"]));
  expect(left).not.toContain("s1");
  expect(await store.trim(new Set(), true)).toBe(1);
  expect((await store.list()).map(({ id }) => id)).not.toContain("s0");
});

it("doesn't give a session that isn't whole", async () => {
  const store = await fresh();
  await store.save(
    change(kept("a", root(9), { branch: 0, tick: 9 }), [{ branch: 0, from: 0, values: values(0, 4, 1) }], false),
  );
  await expect(store.load("a")).rejects.toThrow(/expected 9 ticks, got 4\. Forget it\./);
});
