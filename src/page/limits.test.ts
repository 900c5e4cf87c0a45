import { expect, it } from "vitest";
import { limitsOf } from "./limits";

const metrics = (frames_alive: number[], ratio: number[] | null, more = {}) => ({
  frames: 300,
  drift: { window: 100, frames_alive },
  action_following: { ratio },
  ...more,
});
const said = (...given: Parameters<typeof metrics>) => limitsOf(metrics(...given), 25);

it("says how long dreams hold, in the world's own seconds", () => {
  expect(said([100, 0, 100, 100, 0, 200, 200, 0], null)[0]).toBe(
    "Half of its dreams stay like the real environment for 4 s or more; the longest held for 8 s or more.",
  );
  expect(said([0, 100, 0, 0], null)[0]).toBe(
    "Most of its dreams part from the real environment within 4 s; the longest held for 4 s or more.",
  );
  expect(said([0, 0], null)[0]).toBe("Its dreams part from the real environment within 4 s.");
  expect(said([300, 100, 300], null)[0]).toContain(
    "for 12 s or more; the longest held for all 12 s that were watched.",
  );
  expect(said([300, 300], null)[0]).toBe("Its dreams stayed like the real environment for all 12 s that were watched.");
  expect(limitsOf(metrics([100, 100], null), 17.5)[0]).toContain("for 5.7 s or more");
});

it("says how well actions are followed, and how sure that is", () => {
  expect(said([0], [0.6, 0.29, 0.79])[1]).toBe(
    "It follows the controls 60 % as clearly as the real environment (29 to 79 %).",
  );
  expect(said([0], [0, 0, 0.85])[1]).toBe(
    "How well it follows the controls is uncertain: 0 to 85 % as clearly as the real environment.",
  );
  expect(said([0], [-0.1, -0.2, 0.1])[1]).toContain("0 % as clearly as the real environment (0 to 10 %)");
  expect(said([0], null)[1]).toBe("How well it follows the controls couldn't be measured.");
});

it("says so of a short evaluation, of none, and of one that it can't read", () => {
  expect(said([0, 0], null, { short: true })[2]).toBe("By a short evaluation: 2 runs.");
  expect(said([0, 0], null)).toHaveLength(2);
  expect(limitsOf(undefined, 25)).toEqual(["Not judged yet."]);
  for (const other of [null, [], "", { frames: 300 }, metrics([], null), metrics([Number.NaN], null)]) {
    expect(limitsOf(other, 25)).toEqual(["Judged in a way that this page can't read."]);
  }
});
