import { expect, test } from "vitest";
import { checkWorld } from "./conformance";
import { createFakeWorld } from "./fake-world";
import type { World } from "./world";

test("the fake world keeps the contract", async () => {
  const checks = await checkWorld(async () => createFakeWorld());
  expect(checks.filter((check) => !check.passed)).toEqual([]);
  expect(checks.length).toBeGreaterThan(10);
});

test("the conformance check notices a world that forgets to reset", async () => {
  const broken = async (): Promise<World> => {
    const world = createFakeWorld();
    let begun = false;
    return {
      ...world,
      reset(options) {
        if (begun) return world.rewind(0);
        begun = true;
        return world.reset(options);
      },
    };
  };
  const failed = (await checkWorld(broken)).filter((check) => !check.passed).map((check) => check.name);
  expect(failed).toContain("reset clears the memory");
  expect(failed).toContain("the same seed and actions give the same frames");
});

test("rewind goes back as far as the timeline was asked to", async () => {
  const world = createFakeWorld({ timelineCapacity: 2 });
  await world.reset({ seed: 1 });
  for (let i = 0; i < 5; i++) await world.step(Float32Array.of(0, 1, 0));
  expect(await world.status()).toEqual({ rewindable: 2, kvFilled: 4, kvSlots: 5 });
  expect((await world.rewind(100)).tick).toBe(3);
});

test("a step that is under way when the world closes is refused, and so are those behind it", async () => {
  const world = createFakeWorld();
  await world.reset({ seed: 1 });
  const action = Float32Array.of(0, 0, 0);
  const steps = [world.step(action), world.step(action)];
  const settled = Promise.allSettled(steps);
  await world.close();
  expect((await settled).map((result) => result.status)).toEqual(["rejected", "rejected"]);
});
