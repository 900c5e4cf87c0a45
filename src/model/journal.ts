/**
 * What the page remembers of a session so that a new worker can bring it back to the exact tick: where it began, every
 * action since, and a few snapshots to start the replay from. Knows no worker; `worker-client.ts` fills it and reads it.
 *
 * A snapshot is several megabytes, so one is taken only every `SNAPSHOT_EVERY` ticks; the actions since then are played
 * again. After rewinding past all of them the replay starts where the session began: slower, still exact.
 */
import type { Action, ResetOptions, Snapshot } from "./world";

/** Ticks. A restart plays at most this many again: two seconds at 25 ticks/s. */
const SNAPSHOT_EVERY = 50;
/** Enough that rewinding a few seconds leaves one to start from. */
const SNAPSHOTS_KEPT = 3;

/** How to bring a session back: begin there, then take these actions. */
export interface Recovery {
  readonly from: { readonly reset: ResetOptions } | { readonly snapshot: Snapshot };
  readonly actions: readonly Action[];
}

export interface Journal {
  /** A new session began. */
  began(from: Recovery["from"]): void;
  acted(action: Action): void;
  /** Time went back to this tick: what came after never was. */
  rewound(tick: number): void;
  /** A token to hand to `keep` when it is time for a snapshot, otherwise null. Asks once per snapshot. */
  due(): number | null;
  /** Keeps a snapshot, unless the session it was asked for has been reset or rewound in the meantime. */
  keep(token: number, snapshot: Snapshot): void;
  /** Null before a session began. */
  recovery(): Recovery | null;
}

export function createJournal(): Journal {
  let from: Recovery["from"] | null = null;
  let actions: Action[] = []; // actions[i] leads from tick first + i
  let first = 0; // tick at which the session began
  let snapshots: Snapshot[] = []; // oldest first
  let asked = 0; // tick of the newest snapshot taken or asked for
  let branch = 0; // changes when the past does

  return {
    began(origin) {
      from = origin;
      first = "snapshot" in origin ? origin.snapshot.tick : 0;
      asked = first;
      actions = [];
      snapshots = [];
      branch += 1;
    },
    acted(action) {
      actions.push(action.slice());
    },
    rewound(tick) {
      actions.length = Math.max(0, tick - first);
      snapshots = snapshots.filter((snapshot) => snapshot.tick <= tick);
      asked = snapshots.at(-1)?.tick ?? first;
      branch += 1;
    },
    due() {
      const tick = first + actions.length;
      if (from === null || tick - asked < SNAPSHOT_EVERY) return null;
      asked = tick;
      return branch;
    },
    keep(token, snapshot) {
      if (token === branch) snapshots = [...snapshots, snapshot].slice(-SNAPSHOTS_KEPT);
    },
    recovery() {
      if (from === null) return null;
      const snapshot = snapshots.at(-1);
      if (!snapshot) return { from, actions: actions.slice() };
      return { from: { snapshot }, actions: actions.slice(snapshot.tick - first) };
    },
  };
}
