/** The actions that led to the newest frame, in order. Rewinding forgets what was rewound, a reset forgets everything. */
import type { Action } from "../model/world";

export interface SessionLog {
  /** @param action what led to tick `tick`; null when a reset, a restart or a rewind did */
  add(tick: number, action: Action | null): void;
  /** What led to the frame that comes next, which no action of its own does. */
  begin(actions: readonly Action[]): void;
  /** Action t of the list leads from tick t to t + 1. */
  read(): readonly Action[];
}

export function createSessionLog(): SessionLog {
  const actions: Action[] = [];
  return {
    add(tick, action) {
      if (!action) {
        actions.length = Math.min(actions.length, tick);
        return;
      }
      actions.length = Math.min(actions.length, tick - 1);
      actions.push(action);
    },
    begin(history) {
      actions.splice(0, actions.length, ...history);
    },
    read: () => [...actions],
  };
}
