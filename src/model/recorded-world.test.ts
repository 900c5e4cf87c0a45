import { describe, expect, it } from "vitest";
import { checkWorld } from "./conformance";
import { createFakeWorld } from "./fake-world";
import { createJournal } from "./journal";
import { type RecordedWorld, recordCalls } from "./recorded-world";
import type { Frame } from "./world";

/** The fake world with a memory; beneath it rewinds no further than `timelineCapacity` ticks. */
function recordedFake(timelineCapacity = 10, budgets?: Parameters<typeof createJournal>[0]): RecordedWorld {
  const world = createFakeWorld({ timelineCapacity });
  const journal = createJournal(budgets);
  return {
    ...world,
    ...recordCalls(world, () => undefined, journal),
    journal,
    status: async () => ({ ...(await world.status()), rewindable: journal.position.tick - journal.first }),
  };
}

const drive = (tick: number, side: number) => Float32Array.of(Math.sin(tick / 9) * side, 0.5, 0);
const picture = ({ rgba }: Frame) => rgba.join();

/** Frames by tick, the first one included. */
async function play(world: RecordedWorld, ticks: number, side = 1): Promise<string[]> {
  const seen: string[] = [];
  for (let i = 0; i < ticks; i++) {
    const tick = world.journal.position.tick + 1;
    seen[tick] = picture(await world.step(drive(tick, side)));
  }
  return seen;
}

describe("a recorded world", () => {
  it("keeps the contract", async () => {
    const checks = await checkWorld(async () => recordedFake());
    expect(checks.filter((check) => !check.passed)).toEqual([]);
  });

  it("goes to any tick of any branch, to the same pictures", async () => {
    const world = recordedFake();
    await world.reset({ seed: 5 });
    const first = await play(world, 200);
    await world.seek({ branch: 0, tick: 70 });
    const second = await play(world, 60, -1);
    expect(world.journal.branches()).toMatchObject([{ end: 200 }, { end: 130, parting: { branch: 0, tick: 70 } }]);
    for (const tick of [130, 129, 71, 70, 3, 128, 50, 51, 100]) {
      const frame = await world.seek({ branch: 1, tick });
      expect(frame.tick).toBe(tick);
      expect(picture(frame)).toBe(second[tick] ?? first[tick]);
    }
    for (const tick of [200, 1, 199, 70, 71]) {
      expect(picture(await world.seek({ branch: 0, tick }))).toBe(first[tick]);
    }
    expect(world.journal.branches()).toHaveLength(2);
  });

  it("rewinds past what the world beneath keeps", async () => {
    const world = recordedFake(10);
    await world.reset({ seed: 5 });
    const seen = await play(world, 120);
    expect(picture(await world.rewind(95))).toBe(seen[25]);
    for (let tick = 24; tick > 0; tick--) expect(picture(await world.rewind(1))).toBe(seen[tick]);
  });

  it("can be stopped on the way, and stands where it came to", async () => {
    const world = recordedFake();
    await world.reset({ seed: 5 });
    const seen = await play(world, 49);
    await world.seek({ branch: 0, tick: 0 });
    const stop = new AbortController();
    const left: number[] = [];
    const frame = await world.seek(
      { branch: 0, tick: 49 },
      {
        signal: stop.signal,
        onStep(frame, rest) {
          left.push(rest);
          if (frame.tick === 20) stop.abort();
        },
      },
    );
    expect([frame.tick, picture(frame)]).toEqual([20, seen[20]]);
    expect(left).toEqual(Array.from({ length: 20 }, (_, i) => 48 - i));
    expect(world.journal.position).toEqual({ branch: 0, tick: 20 });
    expect(picture(await world.step(drive(21, 1)))).toBe(seen[21]);
    expect(world.journal.branches()).toHaveLength(1);
  });

  it.each([
    [{ branch: 0, tick: 51 }, /tick from 0 to 50/],
    [{ branch: 0, tick: -1 }, /tick from 0 to 50/],
    [{ branch: 0, tick: 1.5 }, /tick from 0 to 50/],
    [{ branch: 0, tick: Number.NaN }, /tick from 0 to 50/],
    [{ branch: 7, tick: 1 }, /branch of this session/],
  ])("refuses to go to %j, and stays", async (to, message) => {
    const world = recordedFake();
    await world.reset({ seed: 5 });
    const seen = await play(world, 50);
    await expect(world.seek(to)).rejects.toMatchObject({ name: "StateError", message: expect.stringMatching(message) });
    expect(picture(await world.rewind(0))).toBe(seen[50]);
  });

  it("takes up a saved session in another world", async () => {
    const world = recordedFake();
    await world.reset({ seed: 5, start: 1 });
    await play(world, 80);
    await world.seek({ branch: 0, tick: 60 });
    const second = await play(world, 30, -1);
    const other = recordedFake();
    await other.load({ seed: 5, start: 1 }, world.journal.record());
    const [, branch] = other.journal.branches();
    expect(picture(await other.seek({ branch: branch?.id ?? Number.NaN, tick: 90 }))).toBe(second[90]);
  });

  it("plays long within its budgets, and finds a tick in the middle again", async () => {
    const budgets = { keyframes: 100_000, thumbnails: 100_000 }; // bytes: some thirty of each
    const world = recordedFake(10, budgets);
    await world.reset({ seed: 5 });
    let middle = "";
    for (let tick = 1; tick <= 10_000; tick++) {
      const frame = await world.step(drive(tick, 1));
      if (tick === 5_234) middle = picture(frame);
    }
    expect(world.journal.bytes.keyframes).toBeLessThanOrEqual(budgets.keyframes);
    expect(world.journal.bytes.thumbnails).toBeLessThanOrEqual(budgets.thumbnails);
    expect(picture(await world.seek({ branch: 0, tick: 5_234 }))).toBe(middle);
  });
});
