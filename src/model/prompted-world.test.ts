/** A world that takes prompts, on both engines: torch's pictures, time going anywhere, other prompts other branches. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import goldens from "../../tests/goldens/tiny-prompt.json";
import { checkWorld } from "./conformance";
import { createJournal } from "./journal";
import { openWorldNode } from "./node-runtime";
import { promptWith, type Told } from "./prompt";
import { recordCalls } from "./recorded-world";
import type { Frame } from "./world";

const folder = fileURLToPath(new URL("../../tests/goldens/tiny-prompt", import.meta.url));
const told: Told[] = (goldens.told as [number, string][]).map(([tick, text]) => ({ tick, text }));
const rest = Float32Array.of(0, 0);
const picture = ({ rgba }: Frame) => rgba.join();

describe.each(["ort", "own"] as const)("on engine %s", (engine) => {
  const open = async () => (await openWorldNode(folder, { engine, threads: 1 })).world;

  test("it dreams what torch dreams under the same prompts", async () => {
    const world = await open();
    await world.reset({ seed: goldens.seed, start: 0 });
    for (const [i, golden] of goldens.fromStart.entries()) {
      const frame = await world.step(Float32Array.from(golden.action), promptWith(told, i + 1));
      const { latent } = await world.snapshot();
      const off = golden.latent.map((value, at) => Math.abs(value - (latent[at] ?? Number.NaN)));
      expect(Math.max(...off)).toBeLessThan(1e-4);
      const wanted = Uint8Array.from(Buffer.from(golden.rgba, "base64"));
      expect(Math.max(...wanted.map((value, at) => Math.abs(value - (frame.rgba[at] ?? 999))))).toBeLessThanOrEqual(1);
    }
    await world.close();
  });

  test("it keeps the contract, and what can't be a prompt changes nothing", async () => {
    const checks = await checkWorld(open);
    expect(checks.filter((check) => !check.passed)).toEqual([]);
    const world = await open();
    await world.reset({ seed: 1 });
    for (const text of ["", "zebra", "😀"]) {
      await expect(world.step(rest, text)).rejects.toMatchObject({ name: "PromptError" });
    }
    expect((await world.step(rest)).tick).toBe(1);
    await world.close();
  });

  test("any tick comes back under what was told there, and another prompt begins another branch", async () => {
    const { world } = await openWorldNode(folder, { engine, threads: 1, timelineCapacity: 3 });
    const journal = createJournal();
    const recorded = recordCalls(world, () => undefined, journal);
    const seen = [picture(await recorded.reset({ seed: 3 }))];
    for (let tick = 1; tick <= 9; tick++) {
      const prompt = { 2: "snow", 6: " rain, night " }[tick];
      seen.push(picture(await recorded.step(rest, prompt)));
    }
    expect(journal.told()).toEqual([
      { tick: 2, text: "snow" },
      { tick: 6, text: "rain, night" },
    ]);
    for (const tick of [7, 1, 9, 6]) expect(picture(await recorded.seek({ branch: 0, tick }))).toBe(seen[tick]);
    await recorded.seek({ branch: 0, tick: 5 });
    await recorded.step(rest, "rain, night");
    expect(journal.branches()).toHaveLength(1); // the same as recorded
    await recorded.seek({ branch: 0, tick: 5 });
    expect(picture(await recorded.step(rest, "fog"))).not.toBe(seen[6]);
    expect(journal.branches()).toHaveLength(2);
    expect(journal.told().map(({ text }) => text)).toEqual(["snow", "fog"]);
    await world.reset({ seed: 99 }); // as a new worker would know nothing
    const after = picture(await recorded.recover());
    await recorded.seek({ branch: 0, tick: 5 });
    expect(picture(await recorded.step(rest, "fog"))).toBe(after);
    const { record } = { record: journal.record() };
    await recorded.load({ seed: 3 }, record);
    expect(picture(await recorded.seek({ branch: 0, tick: 9 }))).toBe(seen[9]);
    await world.close();
  });
});

test("the words that the page reads are those of the package", () => {
  const manifest = JSON.parse(readFileSync(`${folder}/world.json`, "utf8"));
  expect(manifest.prompt).toEqual({ file: "words.json", width: 5 });
});
