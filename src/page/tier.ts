/**
 * Which tier paints: the person's choice; else the large one on a GPU, and on a CPU that has time to spare, for as long as
 * its ticks are made in time. What is dreamed is the same in both, so it may change at any frame.
 */
import { skip } from "rxjs";
import { TierError } from "../errors";
import { percentile } from "../loop/stats";
import type { Tier } from "../model/world";
import { announce } from "./notices";
import type { Session } from "./session";

const WARM_UP = 10; // ticks after a change that don't count
const JUDGED = 40; // ticks from which the next choice is made
const SPARE = 0.6; // of a tick's period: small ticks below it may leave time for the large tier
const LATE = 0.9; // of a tick's period: large ticks above it are too slow

/**
 * Chooses by the time that ticks take (95th percentile); gives up the large tier for good when it was too slow once.
 * @param period of a tick, ms
 * @param eager takes the large tier without having seen small ticks: on a GPU these say little
 */
export function createTierChooser(period: number, eager: boolean): { add(tickMs: number, tier: Tier): Tier } {
  let judged: Tier | undefined;
  let times: number[] = [];
  let tooSlow = false;
  return {
    /** One more tick and the tier that painted it; gives the tier for the next one. */
    add(tickMs, tier) {
      if (tier !== judged) times = [];
      judged = tier;
      if (tier === "small" && eager && !tooSlow) return "large";
      times.push(tickMs);
      if (times.length < WARM_UP + JUDGED) return tier;
      const slow = percentile(times.slice(WARM_UP), 0.95);
      times = times.slice(0, WARM_UP);
      if (tier === "large") tooSlow = slow > LATE * period;
      return !tooSlow && (tier === "large" || slow < SPARE * period) ? "large" : "small";
    },
  };
}

/**
 * Paints small first, so that nobody waits for the first frame.
 * @param asked by the address: counts until the settings say something else
 * @throws TierError when the world hasn't what is asked for
 */
export function connectTier(session: Session, asked: Tier | undefined): void {
  const { world, loop, wish } = session;
  const { large, frameRate, name } = world.manifest;
  if (!large && asked === "large") {
    throw new TierError(`Address, tier: expected small, the only one of ${name}, got large. Correct the address.`);
  }
  if (!large) return;
  const chooser = createTierChooser(1000 / frameRate, world.backend.name === "webgpu");
  let busy = false; // fetching, or refused for good
  const paint = async (tier: Tier, reason: string) => {
    if (busy || tier === session.tier.value) return;
    busy = true;
    try {
      await session.setTier(tier);
      announce(`${reason}: painting the ${tier} picture.`);
      busy = false;
    } catch (error) {
      announce(`The ${tier} picture isn't there: ${(error as Error).message}`);
    }
  };
  if (asked) wish.next(asked);
  const obey = () => {
    if (wish.value !== "auto") paint(wish.value, "As you chose");
  };
  wish.pipe(skip(1)).subscribe(obey); // the first one waits for the first frame
  loop.frames.subscribe(({ stepMs, action }) => {
    obey(); // a wish that came while another tier was being fetched
    if (wish.value !== "auto" || !action) return; // a reset or a rewind isn't a tick
    const tier = chooser.add(stepMs, session.tier.value);
    paint(tier, tier === "large" ? "There is time" : "The large one takes too long here");
  });
}
