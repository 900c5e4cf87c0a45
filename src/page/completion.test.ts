import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { parseWords } from "../model/prompt";
import { completed, completionsOf, createPromptHistory, endingOf, meaninglessIn } from "./completion";

const words = parseWords(readFileSync(new URL("../../tests/goldens/tiny-prompt/words.json", import.meta.url)), 5);

describe("completion", () => {
  it("offers the world's own words first, for the word that is being typed", () => {
    expect(completionsOf("night, du", words)).toEqual(["dusk", "dusky"]);
    expect(completionsOf("night, dusk", words)).toEqual(["dusky"]);
    expect(completionsOf("D", words)).toEqual(["day", "dusk", "dusky"]);
    for (const text of ["", "night, ", "night,", "zz"]) expect(completionsOf(text, words)).toEqual([]);
    expect(completed("night, DU", "dusk")).toBe("night, dusk");
    expect(endingOf("a Sno")).toBe("sno");
  });

  it("says which words mean nothing, but not of one that may still become something", () => {
    expect(meaninglessIn("zebra du", words)).toEqual(["zebra"]);
    expect(meaninglessIn("snow zeb", words)).toEqual(["zeb"]);
    expect(meaninglessIn("du ", words)).toEqual(["du"]);
  });

  it("goes back to what was told before, and forth to what was being typed", () => {
    const history = createPromptHistory(["snow", 5, "rain"]);
    expect(history.move(-1, "ni")).toBe("rain");
    expect(history.move(-1, "rain")).toBe("snow");
    expect(history.move(-1, "snow")).toBe("snow");
    expect(history.move(1, "snow")).toBe("rain");
    expect(history.move(1, "rain")).toBe("ni");
    history.add("snow");
    expect(history.all).toEqual(["rain", "snow"]);
    expect(createPromptHistory("broken").move(-1, "x")).toBe("x");
  });
});
