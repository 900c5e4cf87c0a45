import { expect, it } from "vitest";
import { createPace, type Verdict } from "./pace";

const action = Float32Array.of(0);
const PERIOD = 40;

/** Runs `seconds` of ticks that take `stepMs`, each shown `every` ms after the one before; the verdicts. */
function run(
  pace: ReturnType<typeof createPace>,
  {
    from = 0,
    seconds,
    every,
    stepMs,
  }: { from?: number; seconds: number; every: number; stepMs: (i: number) => number },
): Verdict[] {
  const verdicts: Verdict[] = [];
  for (let i = 0; i * every < seconds * 1000; i++) {
    const verdict = pace.add({ action, at: from + i * every, stepMs: stepMs(i) }, PERIOD);
    if (verdict) verdicts.push(verdict);
  }
  return verdicts;
}

it("says nothing of a world that keeps its rate, though its slowest ticks are over the budget", () => {
  expect(run(createPace(), { seconds: 60, every: PERIOD, stepMs: (i) => (i % 10 ? 20 : 60) })).toEqual([]);
});

it("says what it measured when the network is too slow, after some seconds and not before", () => {
  expect(run(createPace(), { seconds: 6, every: 80, stepMs: () => 78 })).toEqual([]);
  const [verdict] = run(createPace(), { seconds: 12, every: 80, stepMs: () => 78 });
  expect(verdict).toEqual({ slow: "network", p50: 78, p95: 78, period: 40, fps: 12.5, rate: 25, best: 78 });
});

it("tells a late page from a slow network", () => {
  const verdicts = run(createPace(), { seconds: 12, every: 100, stepMs: () => 15 });
  expect(verdicts.map(({ slow }) => slow)).toContain("page");
});

it("begins anew after a pause, a rewind and a change of speed", () => {
  const pace = createPace();
  const slow = { seconds: 4, every: 80, stepMs: () => 78 };
  const spells = [0, 10_000, 20_000, 30_000].flatMap((from) => run(pace, { ...slow, from })); // pauses of 6 s
  pace.add({ action: null, at: 34_000, stepMs: 1 }, PERIOD);
  const after = run(pace, { ...slow, from: 34_080 });
  for (let at = 38_080; at < 42_000; at += 80) pace.add({ action, at, stepMs: 78 }, 2 * PERIOD);
  expect([...spells, ...after]).toEqual([]);
});

it("knows that it was faster before", () => {
  const pace = createPace();
  run(pace, { seconds: 20, every: PERIOD, stepMs: () => 20 });
  const verdicts = run(pace, { from: 20_000, seconds: 12, every: 120, stepMs: () => 115 });
  expect(verdicts.at(-1)).toMatchObject({ slow: "network", p50: 115, best: 20 });
});
