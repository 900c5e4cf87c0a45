import { describe, expect, it } from "vitest";
import { createJournal, snapshotBytes } from "./journal";
import type { Frame, Snapshot } from "./world";

const frameAt = (tick: number): Frame => ({ rgba: new Uint8ClampedArray(4).fill(tick), width: 1, height: 1, tick });
const snapshotAt = (tick: number): Snapshot => ({
  packageSha256: "",
  seed: 1,
  tick,
  latent: new Float32Array(1),
  slots: [],
  written: [],
  passes: tick,
  frame: frameAt(tick),
});

/** Plays to `tick`, one action [t · side] per tick t, taking every snapshot that is asked for. */
function playTo(journal: ReturnType<typeof createJournal>, tick: number, side = 1): void {
  for (let t = journal.position.tick + 1; t <= tick; t++) {
    journal.acted(Float32Array.of(t * side));
    journal.seen(frameAt(t));
    const token = journal.due();
    if (token !== null) journal.keep(token, snapshotAt(t));
  }
}

const backTo = (journal: ReturnType<typeof createJournal>, tick: number) =>
  journal.moved({ branch: journal.position.branch, tick });

function recovered(journal: ReturnType<typeof createJournal>) {
  const recovery = journal.recovery();
  if (!recovery) throw new Error("nothing to recover");
  const from = "reset" in recovery.from ? "reset" : recovery.from.snapshot.tick;
  return { from, actions: recovery.actions.map((action) => action[0]) };
}

const begun = (budgets?: Parameters<typeof createJournal>[0]) => {
  const journal = createJournal(budgets);
  journal.began({ reset: { seed: 7 } });
  return journal;
};

describe("journal", () => {
  it("has nothing to bring back before a session began", () => {
    expect(createJournal().recovery()).toBeNull();
  });

  it("replays from the reset while there is no snapshot, then from the newest one", () => {
    const journal = begun();
    playTo(journal, 3);
    expect(recovered(journal)).toEqual({ from: "reset", actions: [1, 2, 3] });
    playTo(journal, 103);
    expect(recovered(journal)).toEqual({ from: 100, actions: [101, 102, 103] });
  });

  it("keeps its own copy of an action", () => {
    const journal = begun();
    const action = Float32Array.of(1);
    journal.acted(action);
    action[0] = 9;
    expect(recovered(journal).actions).toEqual([1]);
  });

  it("keeps the future when time goes back, and branches at the first action that differs", () => {
    const journal = begun();
    playTo(journal, 110);
    backTo(journal, 98);
    playTo(journal, 100); // the same actions again: still the same branch
    expect(journal.branches()).toHaveLength(1);
    playTo(journal, 105, -1);
    expect(journal.branches()).toEqual([
      { id: 0, name: "Branch 1", parting: null, end: 110 },
      { id: 1, name: "Branch 2", parting: { branch: 0, tick: 100 }, end: 105 },
    ]);
    expect(journal.position).toEqual({ branch: 1, tick: 105 });
    expect(recovered(journal)).toEqual({ from: 100, actions: [-101, -102, -103, -104, -105] });
    expect(
      journal
        .actions()
        .map(([value]) => value)
        .slice(97),
    ).toEqual([98, 99, 100, -101, -102, -103, -104, -105]);
    expect(journal.actions({ branch: 0, tick: 110 }).at(-1)?.[0]).toBe(110);
  });

  it("falls back on an earlier snapshot, and on the reset, after going back past the later ones", () => {
    const journal = begun();
    playTo(journal, 400);
    backTo(journal, 149);
    expect(recovered(journal).from).toBe(100);
    backTo(journal, 20);
    expect(recovered(journal)).toEqual({ from: "reset", actions: Array.from({ length: 20 }, (_, i) => 1 + i) });
  });

  it("drops a snapshot that arrives after its session or its branch has gone, or at another tick", () => {
    const journal = begun();
    for (let t = 1; t <= 50; t++) journal.acted(Float32Array.of(t));
    const token = journal.due();
    if (!token) throw new Error("expected to be asked");
    journal.keep(token, snapshotAt(49));
    expect(recovered(journal).from).toBe("reset");
    journal.began({ reset: { seed: 8 } });
    for (let t = 1; t <= 60; t++) journal.acted(Float32Array.of(-t));
    journal.keep(token, snapshotAt(50));
    expect(recovered(journal).from).toBe("reset");
  });

  it("counts ticks from a restored snapshot", () => {
    const journal = createJournal();
    journal.began({ snapshot: snapshotAt(30) });
    playTo(journal, 32);
    expect(recovered(journal)).toEqual({ from: 30, actions: [31, 32] });
    playTo(journal, 81);
    expect(recovered(journal)).toEqual({ from: 80, actions: [81] });
  });

  it("deletes a branch and keeps what others share with it", () => {
    const journal = begun();
    playTo(journal, 110);
    backTo(journal, 60);
    playTo(journal, 70, -1); // branch 1 parts at 60
    journal.moved({ branch: 0, tick: 30 });
    playTo(journal, 40, -2); // branch 2 parts at 30
    journal.remove(0);
    expect(journal.branches()).toEqual([
      { id: 1, name: "Branch 2", parting: null, end: 70 },
      { id: 2, name: "Branch 3", parting: { branch: 1, tick: 30 }, end: 40 },
    ]);
    expect(journal.actions({ branch: 1, tick: 70 }).map(([value]) => value)).toEqual(
      Array.from({ length: 70 }, (_, i) => (i < 60 ? i + 1 : -i - 1)),
    );
    expect(recovered(journal).actions.slice(28, 32)).toEqual([29, 30, -62, -64]);
    expect(journal.wayTo({ branch: 1, tick: 65 })).toMatchObject({ tick: 50, from: { snapshot: { tick: 50 } } });
    expect(() => journal.remove(2)).toThrow(/isn't played/);
  });

  it("saves its branches and takes them up again", () => {
    const journal = begun();
    playTo(journal, 110);
    backTo(journal, 60);
    playTo(journal, 70, -1);
    journal.rename(1, "over the kerb");
    const again = createJournal();
    again.began({ reset: { seed: 7 } }, journal.record(), snapshotAt(65));
    expect(again.position).toEqual({ branch: 0, tick: 0 });
    expect(again.branches()).toEqual(journal.branches());
    again.moved({ branch: 1, tick: 70 });
    expect(again.actions()).toEqual(journal.actions());
    expect(recovered(again)).toEqual({ from: 65, actions: [-66, -67, -68, -69, -70] });
    expect(again.record()).toEqual(journal.record());
  });

  it("doesn't keep more branches than it should, nor drops a named one", () => {
    const journal = begun();
    playTo(journal, 10);
    backTo(journal, 5);
    journal.acted(Float32Array.of(-1));
    journal.rename(journal.position.branch, "the one");
    for (let i = 0; i < 500; i++) {
      backTo(journal, 5);
      journal.acted(Float32Array.of(-2 - i));
    }
    const branches = journal.branches();
    expect(branches.length).toBeLessThanOrEqual(200);
    expect(branches.map(({ name }) => name)).toEqual(expect.arrayContaining(["Branch 1", "the one"]));
    expect(branches.find(({ id }) => id === 0)?.end).toBe(10);
  });

  it("stays within its budgets however long a session gets, and thins evenly", () => {
    const budgets = { keyframes: 40 * snapshotBytes(snapshotAt(0)), thumbnails: 60 * 4 };
    const journal = begun(budgets);
    playTo(journal, 100_000);
    expect(journal.bytes.keyframes).toBeLessThanOrEqual(budgets.keyframes);
    expect(journal.bytes.thumbnails).toBeLessThanOrEqual(budgets.thumbnails);
    const ticks = journal.thumbnails.entries().map(({ point }) => point.tick);
    const gaps = ticks.slice(1).map((tick, i) => tick - (ticks[i] as number));
    expect(ticks.length).toBeGreaterThan(50);
    expect(Math.max(...gaps)).toBeLessThan((4 * 100_000) / 60);
    expect(recovered(journal).actions.length).toBeLessThan(50);
    backTo(journal, 77_777);
    expect(recovered(journal).actions.length).toBeLessThan((4 * 100_000) / 40);
    expect(recovered(journal).actions.at(-1)).toBe(77_777);
  });
});
