import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import { z } from "zod";
import { parseManifest } from "../model/manifest";
import { captionsOf, cutCaptions, formatCaptions } from "./captions";
import { parseStory, planStory, type StoryPlan, storySchema } from "./story-file";

const manifest = parseManifest(
  readFileSync(new URL("../../tests/goldens/tiny-world/world.json", import.meta.url), "utf8"),
);
const noFile = () => Promise.reject(new Error("no file is read"));
const story = (...shots: unknown[]) => JSON.stringify({ format: "worldloop-shots", version: 1, seed: 3, shots });
const plan = (...shots: unknown[]): Promise<StoryPlan> => planStory(parseStory(story(...shots)), manifest, noFile);

test("the schema is the one that editors read; `npx vitest run --project unit src/record/story-file.test.ts -u` writes it", async () => {
  const schema = { title: "shots.json of Worldloop", ...z.toJSONSchema(storySchema, { io: "input" }) };
  await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot("../../docs/shots.schema.json");
});

test("a shot begins at a start, goes on, or comes back, by name or number", async () => {
  const { seed, shots } = await plan(
    { name: "road", begin: { start: "Start 1" }, seconds: 0.2, prompt: " night, snow " },
    { frames: 2, actions: { gas: 1 } },
    { begin: { start: 0 }, frames: 1, policy: "random" },
    {
      begin: { return: "road" },
      frames: 2,
      actions: [
        { steer: 0, gas: 0.5 },
        { steer: -1, gas: 0 },
      ],
    },
    { begin: { return: 2 }, frames: 1 },
  );
  expect(seed).toBe(3);
  expect(shots.map(({ name, from, frames }) => [name, from, frames])).toEqual([
    ["road", { start: 1 }, 5],
    ["Shot 2", { after: 0 }, 2],
    ["Shot 3", { start: 0 }, 1],
    ["Shot 4", { after: 0 }, 2],
    ["Shot 5", { after: 1 }, 1],
  ]);
  expect(shots[0]?.told).toEqual([{ tick: 1, text: "night, snow" }]);
  expect(shots.slice(1).map(({ actions }) => actions)).toEqual([
    [Float32Array.of(0, 1), Float32Array.of(0, 1)],
    { policy: "random" },
    [Float32Array.of(0, 0.5), Float32Array.of(-1, 0)],
    [Float32Array.of(0, 0)],
  ]);
});

test("a file of actions may be longer than the shot, and may tell the world something", async () => {
  const actions = [0, 1, 2, 3].map((t) => Float32Array.of(0, t / 3));
  const read = async (file: string) => ({
    actions,
    told: [
      { tick: 2, text: "rain" },
      { tick: 4, text: file },
    ],
  });
  const told = await planStory(parseStory(story({ frames: 3, actions: "a.jsonl", prompt: "night" })), manifest, read);
  expect(told.shots[0]).toMatchObject({
    actions: actions.slice(0, 3),
    told: [
      { tick: 1, text: "night" },
      { tick: 2, text: "rain" },
    ],
  });
});

test("under each frame stands what the world was told last, which a return brings back; else the shot's name", async () => {
  const told = await plan(
    { name: "A <b>", frames: 10 },
    { frames: 5, prompt: "night" },
    { begin: { start: 0 }, frames: 5, name: "elsewhere" },
    { begin: { return: 2 }, frames: 5 },
  );
  expect(captionsOf(told)).toEqual([
    { from: 0, to: 10, text: "A <b>" },
    { from: 10, to: 15, text: "night" },
    { from: 15, to: 20, text: "elsewhere" },
    { from: 20, to: 25, text: "night" },
  ]);
  expect(formatCaptions(captionsOf(told).slice(0, 2), 0.0025)).toBe(
    "WEBVTT\n\n00:00:00.000 --> 01:06:40.000\nA &lt;b&gt;\n\n01:06:40.000 --> 01:40:00.000\nnight\n",
  );
});

test("a caption that is too long for a video goes on as another one", () => {
  const captions = [
    { from: 0, to: 4, text: "short" },
    { from: 4, to: 14, text: "long" },
  ];
  expect(cutCaptions(captions, 4)).toEqual([
    { from: 0, to: 4, text: "short" },
    { from: 4, to: 8, text: "long" },
    { from: 8, to: 12, text: "long" },
    { from: 12, to: 14, text: "long" },
  ]);
});

describe("refuses in one line, naming the shot:", () => {
  const road = { name: "road", frames: 5 };
  it.each<[string, unknown[], RegExp]>([
    ["no shot", [], /^shots: /],
    ["zero frames", [road, { frames: 0 }], /^shot 2, frames: /],
    ["half a frame", [{ frames: 1.5 }], /^shot 1, frames: /],
    ["zero seconds", [{ seconds: 0 }], /^shot 1, seconds: /],
    [
      "less than a frame",
      [{ seconds: 0.001 }],
      /^shot 1: seconds: expected from 1 to 1000000 frames of 1\/25 s, got 0.001 s/,
    ],
    ["for ever", [{ seconds: 1e300 }], /^shot 1: seconds: expected/],
    ["too many together", [{ frames: 1e6 }, { frames: 1e6 }], /^shots: expected at most 1000000 frames, got 2000000/],
    ["both lengths", [{ frames: 1, seconds: 1 }], /^shot 1: expected "frames" or "seconds", got both/],
    ["no length", [{ name: "x" }], /^shot 1: expected "frames" or "seconds", got neither/],
    [
      "an unknown start",
      [{ ...road, begin: { start: "moon" } }],
      /^shot 1: start: expected one of 0 "Start 0", 1 "Start 1", got "moon"/,
    ],
    ["a start too many", [{ ...road, begin: { start: 2 } }], /^shot 1: start: .*got 2/],
    [
      "a return by the first",
      [{ ...road, begin: { return: 1 } }],
      /^shot 1: return: expected an earlier shot, which the first has none of/,
    ],
    [
      "a return to a later shot",
      [road, { frames: 1, begin: { return: "end" } }, { name: "end", frames: 1 }],
      /^shot 2: return: expected one of 1 "road", got "end"/,
    ],
    ["a return to itself", [road, { frames: 1, begin: { return: 2 } }], /^shot 2: return: .*got 2/],
    [
      "another beginning",
      [{ frames: 1, begin: "jump" }],
      /^shot 1, begin: expected "continue", {"start": …} or {"return": …}/,
    ],
    ["a name twice", [road, road], /^shot 2: name: expected one that no earlier shot has, got "road"/],
    ["a field too many", [{ ...road, speed: 2 }], /^shot 1: .*speed/],
    ["an unknown action", [{ ...road, actions: { fly: 1 } }], /^shot 1: fly: no such action/],
    [
      "an action out of range",
      [{ ...road, actions: { gas: 2 } }],
      /^shot 1: gas: expected a number in \[0, 1\], got 2/,
    ],
    [
      "too few actions",
      [{ ...road, actions: [{ steer: 0, gas: 0 }] }],
      /^shot 1: actions: expected 5, one a frame, got 1/,
    ],
    ["two who act", [{ ...road, policy: "random", actions: {} }], /^shot 1: expected "actions" or "policy", got both/],
    ["an emoji", [{ ...road, prompt: "night 😀" }], /^shot 1: prompt: .*U\+1F600/],
    [
      "10,000 characters",
      [{ ...road, prompt: "x".repeat(10_000) }],
      /^shot 1: prompt: expected at most 300 characters, got 10000/,
    ],
    ["an empty prompt", [{ ...road, prompt: "" }], /^shot 1: prompt: expected words/],
    ["201 shots", Array.from({ length: 201 }, () => ({ frames: 1 })), /^shots: /],
  ])("%s", async (_, shots, message) => {
    await expect((async () => plan(...shots))()).rejects.toMatchObject({
      name: "RecordingError",
      message: expect.stringMatching(message),
    });
  });

  it.each([
    ["half a file", story(road).slice(0, 40)],
    ["nothing", ""],
    ["a list", "[]"],
    ["another format", JSON.stringify({ format: "worldloop-session", version: 1, shots: [road] })],
    ["a later version", JSON.stringify({ format: "worldloop-shots", version: 2, shots: [road] })],
    ["a seed of minus one", JSON.stringify({ format: "worldloop-shots", version: 1, seed: -1, shots: [road] })],
  ])("%s", (_, text) => {
    expect(() => parseStory(text)).toThrow(
      expect.objectContaining({ name: "RecordingError", message: expect.stringMatching(/^[^\n]+$/) }),
    );
  });
});
