/** How far a long command is: a bar on a terminal, else a plain line now and then. Time comes in from outside. */

export interface ProgressBarOptions {
  readonly write: (text: string) => void;
  readonly terminal: boolean;
  /** Milliseconds. */
  readonly now: () => number;
}

export interface ProgressBar {
  /** The first call says where it begins: speed is of what came after. */
  show(done: number, of: number): void;
  /** Wipes the bar. */
  end(): void;
}

const WIDTH = 24; // characters of the bar
const LINES = 10; // in all, where there is no terminal

/** @param what in the plural, such as episodes */
export function createProgressBar(what: string, { write, terminal, now }: ProgressBarOptions): ProgressBar {
  let first: { readonly done: number; readonly time: number } | null = null;
  let line = 0;
  return {
    show(done, of) {
      const reached = Math.floor((LINES * done) / of);
      if (!first) {
        first = { done, time: now() };
        line = reached;
      }
      const perSecond = ((done - first.done) * 1000) / Math.max(now() - first.time, 1);
      const figures =
        done > first.done ? `, ${perSecond.toFixed(2)} ${what}/s, ${left((of - done) / perSecond)} left` : "";
      if (terminal) {
        const filled = Math.floor((WIDTH * done) / of);
        write(`\r\x1b[K${"█".repeat(filled)}${"░".repeat(WIDTH - filled)} ${done} of ${of} ${what}${figures}`);
        return;
      }
      if (reached === line) return;
      line = reached;
      write(`${done} of ${of} ${what}${figures}\n`);
    },
    end() {
      if (terminal) write("\r\x1b[K");
    },
  };
}

/** Seconds for people. */
function left(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  if (seconds < 3600) return `${Math.ceil(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}
