import { describe, expect, it } from "vitest";
import { createJournal } from "./journal";
import type { Snapshot } from "./world";

const snapshotAt = (tick: number): Snapshot => ({
  packageSha256: "",
  seed: 1,
  tick,
  latent: new Float32Array(1),
  slots: [],
  written: [],
  passes: tick,
  frame: { rgba: new Uint8ClampedArray(4), width: 1, height: 1, tick },
});

/** Plays to `tick`, one action [t] per tick t, taking every snapshot that is asked for. */
function playTo(journal: ReturnType<typeof createJournal>, from: number, tick: number): void {
  for (let t = from + 1; t <= tick; t++) {
    journal.acted(Float32Array.of(t));
    const token = journal.due();
    if (token !== null) journal.keep(token, snapshotAt(t));
  }
}

function recovered(journal: ReturnType<typeof createJournal>) {
  const recovery = journal.recovery();
  if (!recovery) throw new Error("nothing to recover");
  const from = "reset" in recovery.from ? "reset" : recovery.from.snapshot.tick;
  return { from, actions: recovery.actions.map((action) => action[0]) };
}

describe("journal", () => {
  it("has nothing to bring back before a session began", () => {
    expect(createJournal().recovery()).toBeNull();
  });

  it("replays from the reset while there is no snapshot", () => {
    const journal = createJournal();
    journal.began({ reset: { seed: 7 } });
    playTo(journal, 0, 3);
    expect(recovered(journal)).toEqual({ from: "reset", actions: [1, 2, 3] });
  });

  it("replays from the newest snapshot", () => {
    const journal = createJournal();
    journal.began({ reset: { seed: 7 } });
    playTo(journal, 0, 103);
    expect(recovered(journal)).toEqual({ from: 100, actions: [101, 102, 103] });
  });

  it("keeps its own copy of an action", () => {
    const journal = createJournal();
    journal.began({ reset: { seed: 7 } });
    const action = Float32Array.of(1);
    journal.acted(action);
    action[0] = 9;
    expect(recovered(journal).actions).toEqual([1]);
  });

  it("forgets the future when time goes back, snapshots included", () => {
    const journal = createJournal();
    journal.began({ reset: { seed: 7 } });
    playTo(journal, 0, 110);
    journal.rewound(98);
    expect(recovered(journal)).toEqual({ from: 50, actions: Array.from({ length: 48 }, (_, i) => 51 + i) });
    playTo(journal, 98, 99);
    expect(recovered(journal).actions.at(-1)).toBe(99);
  });

  it("falls back on the reset after rewinding past every snapshot", () => {
    const journal = createJournal();
    journal.began({ reset: { seed: 7 } });
    playTo(journal, 0, 400);
    journal.rewound(20);
    expect(recovered(journal)).toEqual({ from: "reset", actions: Array.from({ length: 20 }, (_, i) => 1 + i) });
  });

  it("drops a snapshot that arrives after the past has changed", () => {
    const journal = createJournal();
    journal.began({ reset: { seed: 7 } });
    for (let t = 1; t <= 50; t++) journal.acted(Float32Array.of(t));
    const token = journal.due();
    expect(token).not.toBeNull();
    journal.rewound(49);
    journal.keep(token as number, snapshotAt(50));
    expect(recovered(journal).from).toBe("reset");
  });

  it("counts ticks from a restored snapshot", () => {
    const journal = createJournal();
    journal.began({ snapshot: snapshotAt(30) });
    playTo(journal, 30, 32);
    expect(recovered(journal)).toEqual({ from: 30, actions: [31, 32] });
    playTo(journal, 32, 81);
    expect(recovered(journal)).toEqual({ from: 80, actions: [81] });
  });
});
