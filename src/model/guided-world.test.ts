/** A world that takes guides, on both engines: torch's pictures, guides that hold, and time that goes back under them. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import goldens from "../../tests/goldens/tiny-guide.json";
import { compileGpu } from "../engine/webgpu/compile-gpu";
import { checkWorld } from "./conformance";
import { createFakeWorld, FAKE_MANIFEST } from "./fake-world";
import { openWorldNode } from "./node-runtime";
import { actionsSha256 } from "./provenance";
import { recordCalls } from "./recorded-world";
import type { Frame } from "./world";

const folder = fileURLToPath(new URL("../../tests/goldens/tiny-guide", import.meta.url));
const bytesOf = (base64: string) => Uint8Array.from(Buffer.from(base64, "base64"));
const guides = new Map((goldens.guides as [number, string][]).map(([tick, bytes]) => [tick, bytesOf(bytes)]));
const rest = Float32Array.of(0, 0);
const picture = ({ rgba }: Frame) => rgba.join();

describe.each(["ort", "own"] as const)("on engine %s", (engine) => {
  const open = async () => (await openWorldNode(folder, { engine, threads: 1 })).world;

  test("it dreams what torch dreams under the same guides", async () => {
    const world = await open();
    await world.reset({ seed: goldens.seed, start: 0 });
    for (const [i, golden] of goldens.fromStart.entries()) {
      const frame = await world.step(Float32Array.from(golden.action), undefined, guides.get(i + 1));
      const { latent } = await world.snapshot();
      const off = golden.latent.map((value, at) => Math.abs(value - (latent[at] ?? Number.NaN)));
      expect(Math.max(...off)).toBeLessThan(1e-4);
      const wanted = bytesOf(golden.rgba);
      expect(Math.max(...wanted.map((value, at) => Math.abs(value - (frame.rgba[at] ?? 999))))).toBeLessThanOrEqual(1);
    }
    await world.close();
  });

  test("it keeps the contract, and what can't be a guide changes nothing", async () => {
    expect((await checkWorld(open)).filter((check) => !check.passed)).toEqual([]);
    const world = await open();
    await world.reset({ seed: 1 });
    await expect(world.step(rest, undefined, new Uint8Array(5))).rejects.toMatchObject({
      name: "GuideError",
      message: "guide: expected uint8 [16, 16, 3], 768 bytes, got 5",
    });
    expect((await world.step(rest)).tick).toBe(1);
    await world.close();
  });

  test("a guide holds until the next one, back in time and in a state that is restored", async () => {
    const world = await open();
    const [one, other] = [guides.get(2), guides.get(3)];
    await world.reset({ seed: 3 });
    const grey = picture(await world.step(rest));
    await world.rewind(1);
    const seen = [picture(await world.step(rest, undefined, one)), picture(await world.step(rest))];
    expect(seen[0]).not.toBe(grey);
    const state = await world.snapshot();
    await world.step(rest, undefined, other);
    await world.rewind(2);
    expect(picture(await world.step(rest))).toBe(seen[1]);
    const after = picture(await world.step(rest));
    await world.reset({ seed: 3 });
    await world.restore(state);
    expect(picture(await world.step(rest))).toBe(after);
    const { step, reset } = recordCalls(world, () => undefined);
    await reset({ seed: 3 });
    expect(picture(await step(rest, undefined, one))).toBe(seen[0]);
    await world.close();
  });
});

test("a world without guides says so", async () => {
  const world = createFakeWorld();
  await world.reset({ seed: 1 });
  const action = Float32Array.from(FAKE_MANIFEST.actions, ({ rest }) => rest);
  const guide = new Uint8Array(48);
  await expect(world.step(action, undefined, guide)).rejects.toMatchObject({ name: "GuideError" });
  await world.close();
});

test("hashes of drives cover guides as in Python", async () => {
  for (const { actions, told, sha256 } of goldens.hashes) {
    const prompts = (told as [number, string][]).map(([tick, text]) => ({ tick, text }));
    expect(await actionsSha256(actions, prompts, goldens.guidesSha256)).toBe(sha256);
    expect(await actionsSha256(actions, prompts)).not.toBe(sha256);
  }
});

test("shaders are made of its graph", () => {
  const { inputs } = compileGpu(new Uint8Array(readFileSync(`${folder}/tick.onnx`)));
  expect(inputs.get("guide")).toMatchObject({ kind: "uint8", size: 768 });
});
