import { deflateRawSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { carActions } from "../action/car.fixture";
import { engineMark, formatHash, packActions, packTold, parseHash, unpackActions, unpackTold } from "./share-link";

describe("hash", () => {
  it("comes back as it went out", () => {
    const shared = { world: "car-racing", seed: 2 ** 53 - 1, start: 3, package: "0123456789abcdef", replay: "aB-_9" };
    expect(parseHash(formatHash(shared))).toEqual(shared);
    const made = engineMark({ name: "own", threads: 2, arithmetic: "relaxed SIMD, int8", detail: "9 ms a tick" });
    expect(made).toBe("own, relaxed SIMD, int8");
    expect(parseHash(formatHash({ ...shared, made }))).toEqual({ ...shared, made });
  });

  it("names a world from elsewhere by its address and hash, in the place of a world and a version", () => {
    const foreign = { address: "https://example.org/my world.zip?a=1&b=2", sha256: "ab".repeat(32) };
    const link = formatHash({ foreign, world: "pong", package: "0123456789abcdef", seed: 7, replay: "aB" });
    expect(parseHash(link)).toEqual({ foreign, seed: 7, replay: "aB" });
    expect(parseHash(`${link}&world=pong`)).toEqual({ foreign, seed: 7, replay: "aB" }); // not one here and another there
    expect(parseHash("#package=https://example.org/w.zip")).toEqual({
      foreign: { address: "https://example.org/w.zip" },
    });
    expect(parseHash(`#package=w.zip&sha256=${"AB".repeat(32)}`)).toEqual({
      foreign: { address: "w.zip", sha256: "ab".repeat(32) },
    });
    expect(parseHash("#world=pong&package=0123456789ABCDEF")).toEqual({ world: "pong", package: "0123456789abcdef" });
    expect(() => parseHash("#package=w.zip&sha256=abc")).toThrow(/sha256: expected 64 digits/);
  });

  it("holds what the world was told, and refuses what can't be", () => {
    const told = [
      { tick: 1, text: "night, snow & ice" },
      { tick: 40, text: "rain" },
    ];
    const prompts = packTold(told) ?? "";
    expect(unpackTold(parseHash(formatHash({ seed: 7, replay: "aB", prompts })).prompts)).toEqual(told);
    expect(packTold([])).toBeUndefined();
    expect(unpackTold(undefined)).toEqual([]);
    for (const text of ["x", "5", "[5]", '[[0,"snow"]]', '[[2,"snow"],[2,"rain"]]', '[[1,"😀"]]', '[[1,""]]']) {
      expect(() => unpackTold(text)).toThrow(
        /^Link, prompts: expected prompts with their ticks, .*Ask for the link again/,
      );
    }
    const many = Array.from({ length: 900 }, (_, i) => ({ tick: i + 1, text: "night, snow and rain" }));
    expect(() => packTold(many)).toThrow(/a link holds 16000. Save the action log/);
  });

  it("holds only what is there", () => {
    expect(formatHash({ seed: 7 })).toBe("#seed=7");
    expect(parseHash("")).toEqual({});
    expect(parseHash("#start=0&other=1")).toEqual({ start: 0 });
  });

  it.each([
    "#seed=abc",
    "#seed=-1",
    "#seed=1.5",
    "#seed=",
    "#start=1e99",
    "#seed=0x10",
    "#seed=1e3",
    "#seed=+7",
    "#seed=%207",
    "#start=-0",
  ])("refuses %s by name", (hash) => {
    expect(() => parseHash(hash)).toThrow(expect.objectContaining({ name: "RecordingError" }));
    expect(() => parseHash(hash)).toThrow(/expected a whole number/);
  });
});

describe("replay", () => {
  it("comes back exactly, odd fractions included", async () => {
    const actions = Array.from({ length: 300 }, (_, t) => Float32Array.of(Math.sin(t), t % 2, 0.1));
    expect(await unpackActions(await packActions(actions), carActions)).toEqual(actions);
    expect(await unpackActions(await packActions([]), carActions)).toEqual([]);
  });

  it("takes a full deflection whose limit float32 rounds up", async () => {
    const table = carActions.map((spec) => ({ ...spec, max: 0.1 }));
    const full = [Float32Array.of(0.1, 0.1, 0.1)];
    expect(await unpackActions(await packActions(full), table)).toEqual(full);
  });

  it("a minute of held keys is a short link", async () => {
    const minute = Array.from({ length: 1500 }, (_, t) => Float32Array.of(t % 200 < 50 ? -1 : 0, 1, 0));
    expect((await packActions(minute)).length).toBeLessThan(500);
  });

  it("says so when there are too many for a link", async () => {
    const noise = Array.from({ length: 4000 }, (_, t) => Float32Array.of(Math.sin(t * t), 0, 0));
    await expect(packActions(noise)).rejects.toMatchObject({ name: "RecordingError" });
    await expect(packActions(noise)).rejects.toThrow(/Save the action log instead/);
    const held = (ticks: number) => Array.from({ length: ticks }, () => Float32Array.of(0, 1, 0));
    expect(await unpackActions(await packActions(held(90_000)), carActions)).toHaveLength(90_000);
    await expect(packActions(held(90_001))).rejects.toThrow(/has 90001 ticks, a link holds 90000/); // nobody could open it
  });

  it("refuses damage, another world's actions, values out of range and bombs", async () => {
    const refused = expect.objectContaining({ name: "RecordingError" });
    await expect(unpackActions("not base64!", carActions)).rejects.toEqual(refused);
    await expect(unpackActions("AAAA", carActions)).rejects.toEqual(refused);
    const two = await packActions([Float32Array.of(0, 0)]);
    await expect(unpackActions(two, carActions)).rejects.toThrow(/3 values a tick/);
    const wild = await packActions([Float32Array.of(0, 7, 0)]);
    await expect(unpackActions(wild, carActions)).rejects.toThrow("gas: expected a number in [0, 1], got 7");
    const nan = await packActions([Float32Array.of(Number.NaN, 0, 0)]);
    await expect(unpackActions(nan, carActions)).rejects.toThrow(/steer/);
    const bomb = deflateRawSync(new Uint8Array(200_000 * 3 * 4)).toString("base64url");
    await expect(unpackActions(bomb, carActions)).rejects.toThrow(/more than/);
  });
});
