import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { PromptError } from "../errors";
import { parseWords, toldAt } from "./prompt";
import { actionsSha256 } from "./provenance";

const read = (path: string) => readFileSync(new URL(`../../tests/goldens/${path}`, import.meta.url));
const goldens = JSON.parse(read("tiny-prompt.json").toString());
const words = parseWords(read("tiny-prompt/words.json"), 5);

describe("a prompt", () => {
  it.each<{ given: string; error?: string; text: string; vector: number[]; known: string[]; unknown: string[] }>(
    goldens.texts,
  )("%# is what Python makes of it", ({ given, error, ...expected }) => {
    if (error !== undefined) {
      expect(() => words.encode(given)).toThrow(new PromptError(error));
      return;
    }
    const { vector, ...encoded } = words.encode(given);
    expect({ ...encoded, vector: [...vector] }).toEqual(expected);
  });

  it("says what means nothing while it is typed, whatever it is", () => {
    expect(words.unknown("the sno")).toEqual(["sno"]);
    expect(words.unknown("snow 😀 zebra")).toEqual(["zebra"]);
    expect(words.unknown("")).toEqual([]);
  });

  it("holds until the next one", () => {
    const told = [
      { tick: 1, text: "snow" },
      { tick: 5, text: "rain" },
    ];
    expect([0, 1, 4, 5, 90].map((tick) => toldAt(told, tick))).toEqual([undefined, "snow", "snow", "rain", "rain"]);
  });

  it("is covered by the actions' hash, as in Python", async () => {
    for (const { actions, told, sha256 } of goldens.hashes as {
      actions: number[][];
      told: [number, string][];
      sha256: string;
    }[]) {
      expect(
        await actionsSha256(
          actions,
          told.map(([tick, text]) => ({ tick, text })),
        ),
      ).toBe(sha256);
    }
  });
});

describe("the words of a package", () => {
  const sound = JSON.parse(read("tiny-prompt/words.json").toString());
  const parse = (change: object) => () =>
    parseWords(new TextEncoder().encode(JSON.stringify({ ...sound, ...change })), 5);
  it.each([
    ["no JSON", () => parseWords(new TextEncoder().encode("night"), 5)],
    ["a word twice", parse({ words: sound.words.with(1, "night") })],
    ["a word that no text can hold", parse({ words: sound.words.with(1, "Night") })],
    ["numbers that are missing", parse({ vectors: sound.vectors.slice(4) })],
    ["another width", parse({ width: 6 })],
    ["a scale of nothing", parse({ scale: 0 })],
    ["more own words than words", parse({ own: 11 })],
  ])("are refused with %s", (_, attempt) => {
    expect(attempt).toThrow(/^words: expected/);
  });
});
