/** Going to ticks as fast as they are asked for: one at a time, the newest wish wins, and long ways can be called off. */
import { BehaviorSubject } from "rxjs";
import type { Point } from "../model/branch-tree";
import { announce } from "./notices";
import type { Session } from "./session";

/** A way that is long enough to be shown: where it leads, and how far it has come, in ticks. */
export interface Progress {
  readonly to: Point;
  readonly done: number;
  readonly total: number;
}

export interface Seeking {
  /** Resolves when it stands still, there or where a newer wish or a cancellation left it. */
  to(point: Point): Promise<void>;
  /** Stays at the tick that has been reached. */
  cancel(): void;
  /** The point that is wanted, or else the newest frame's. */
  goal(): Point;
  /** Of a long way, while it lasts. */
  readonly progress: BehaviorSubject<Progress | null>;
}

/** Ticks. Shorter ways are over before a bar could be read: most of a second on a slow machine. */
const SHOWN_FROM = 40;
/** Ticks between two pictures on a long way. */
const DRAW_EVERY = 8;

export function createSeeking(session: Omit<Session, "seeking" | "load">): Seeking {
  const { world, view, loop } = session;
  const progress = new BehaviorSubject<Progress | null>(null);
  let wanted: Point | undefined;
  let under: Point | undefined; // on the way to it
  let going: Promise<void> = Promise.resolve();

  async function go(): Promise<void> {
    while (wanted) {
      const to = wanted;
      under = to;
      wanted = undefined;
      let total = 0;
      await session.seek(to, (frame, left) => {
        total ||= left + 1;
        if (total < SHOWN_FROM) return;
        progress.next({ to, done: total - left, total });
        if (left % DRAW_EVERY === 0) view.draw(frame);
      });
      progress.next(null);
      if (loop.state.value.name === "failed") wanted = undefined; // what to do now is on the screen
    }
    under = undefined;
  }

  return {
    progress,
    goal: () => wanted ?? under ?? world.journal.position,
    to(point) {
      if (!session.frame() || loop.state.value.name === "failed") return going;
      wanted = point;
      if (under === undefined) going = go();
      else if (progress.value) session.stopSeeking(); // a new wish: the long way isn't wanted any more
      return going;
    },
    cancel() {
      wanted = undefined;
      if (!under) return;
      session.stopSeeking();
      announce("Stopped on the way.");
    },
  };
}
