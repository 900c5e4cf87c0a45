import { expect, it } from "vitest";
import type { Tier } from "../model/world";
import { createTierChooser } from "./tier";

/** The tiers that a machine ends up with, change by change, when its small and large ticks take so long, ms. */
function changes(period: number, eager: boolean, took: Record<Tier, (tick: number) => number>): Tier[] {
  const chooser = createTierChooser(period, eager);
  const seen: Tier[] = ["small"];
  for (let tick = 0; tick < 1000; tick++) {
    const tier = seen.at(-1) as Tier;
    const next = chooser.add(took[tier](tick), tier);
    if (next !== tier) seen.push(next);
  }
  return seen;
}

it("takes the large tier where small ticks leave time, and stays while it is in time", () => {
  expect(changes(57, false, { small: () => 15, large: () => 45 })).toEqual(["small", "large"]);
});

it("stays small where they don't", () => {
  expect(changes(57, false, { small: () => 40, large: () => 45 })).toEqual(["small"]);
  const everyTenthLate = (tick: number) => (tick % 10 === 0 ? 60 : 10);
  expect(changes(57, false, { small: everyTenthLate, large: () => 30 })).toEqual(["small"]);
});

it("gives the large tier up for good when it is too slow, at once or later", () => {
  expect(changes(57, false, { small: () => 15, large: () => 60 })).toEqual(["small", "large", "small"]);
  const tiring = (tick: number) => (tick < 600 ? 30 : 60);
  expect(changes(57, false, { small: () => 15, large: tiring })).toEqual(["small", "large", "small"]);
});

it("begins large on a GPU, whose first ticks in a tier are slow and don't count", () => {
  let first = 8;
  expect(changes(57, true, { small: () => 200, large: () => (first-- > 0 ? 900 : 20) })).toEqual(["small", "large"]);
  expect(changes(57, true, { small: () => 40, large: () => 80 })).toEqual(["small", "large", "small"]);
});
