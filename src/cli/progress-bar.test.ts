import { expect, test } from "vitest";
import { createProgressBar } from "./progress-bar";

function watch(terminal: boolean) {
  let [text, time] = ["", 0];
  const progress = createProgressBar("episodes", {
    write: (part) => {
      text += part;
    },
    terminal,
    now: () => time,
  });
  const at = (seconds: number, done: number, of: number) => {
    time = seconds * 1000;
    progress.show(done, of);
  };
  return { at, end: progress.end, read: () => text };
}

test("a terminal gets one line that is written anew, and wiped at the end", () => {
  const { at, end, read } = watch(true);
  at(0, 4, 12);
  at(2, 8, 12);
  expect(read().split("\r\x1b[K").at(-1)).toBe(
    `${"█".repeat(16)}${"░".repeat(8)} 8 of 12 episodes, 2.00 episodes/s, 2 s left`,
  );
  end();
  expect(read()).not.toContain("\n");
  expect(read().endsWith("\r\x1b[K")).toBe(true);
});

test("elsewhere there are at most ten lines, and speed is of what was done since the first", () => {
  const { at, end, read } = watch(false);
  for (let done = 50; done <= 100; done++) at((done - 50) * 60, done, 100);
  end();
  const lines = read().trimEnd().split("\n");
  expect(lines).toHaveLength(5);
  expect(lines[0]).toBe("60 of 100 episodes, 0.02 episodes/s, 40 min left");
  expect(lines.at(-1)).toBe("100 of 100 episodes, 0.02 episodes/s, 0 s left");
});
