/** `direct`: a story comes out the same every time, as a video that can be verified and as a session that plays again. */
import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WORLD, worldloop } from "../../tests/setup/collect";
import { resetOf } from "../model/beginning";
import { frameSha256 } from "../model/hash";
import { createJournal } from "../model/journal";
import { openWorldNode } from "../model/node-runtime";
import { recordCalls } from "../model/recorded-world";
import { beginningOf, formatSession, parseSession } from "../record/session-file";
import { parseStory, planStory, type Story } from "../record/story-file";
import { recordStory, storyOf } from "../record/story-session";
import { playStory } from "./play-story";

const PROMPTED = fileURLToPath(new URL("../../tests/goldens/tiny-prompt", import.meta.url));
const hasFfmpeg = !spawnSync("ffmpeg", ["-version"]).error;
const story = (...shots: unknown[]) => JSON.stringify({ format: "worldloop-shots", version: 1, seed: 7, shots });
const STORY = story(
  { name: "road", begin: { start: 1 }, frames: 5, prompt: "night", actions: { gas: 1 } },
  { frames: 3, actions: "lap.jsonl" },
  { name: "cut", begin: { start: 0 }, frames: 4, policy: "random" },
  { name: "back", begin: { return: "road" }, frames: 4, prompt: "snow" },
  { begin: { return: "cut" }, frames: 2 },
);
const LAP = ['{"steer": 0.5, "gas": 1}', '{"steer": 0, "gas": 1, "prompt": "rain"}', '{"steer": -1, "gas": 0}'].join(
  "\n",
);

let folder: string;
const file = (name: string) => join(folder, name);
const direct = (shots: string, ...more: string[]) =>
  worldloop(["direct", "--world", PROMPTED, "--shots", file(shots), "--threads", "1", ...more]);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "worldloop-direct-"));
  await writeFile(file("shots.json"), STORY);
  await writeFile(file("lap.jsonl"), LAP);
});
afterAll(() => rm(folder, { recursive: true }));

test("each shot follows the frame that it says, under the prompt that held there; any frame can be had again", async () => {
  const opened = await openWorldNode(PROMPTED, { engine: "own", threads: 1, timelineCapacity: 0 });
  const { world } = opened;
  const { signal } = new AbortController();
  const lap = { actions: [0.5, 0, -1].map((steer) => Float32Array.of(steer, 1)), told: [{ tick: 2, text: "rain" }] };
  const plan = await planStory(
    parseStory(STORY.replace('"policy":"random"', '"actions":{}')),
    world.manifest,
    async () => lap,
  );
  const play = async () => {
    const player = playStory(world, plan, () => expect.fail("no policy"), signal);
    const frames: { tick: number; sha256: string }[] = [];
    for await (const frame of player.frames) frames.push({ tick: frame.tick, sha256: await frameSha256(frame) });
    return { frames, player };
  };
  const { frames, player } = await play();
  expect((await play()).frames).toEqual(frames);
  expect(frames.map(({ tick }) => tick)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 6, 7, 8, 9, 5, 6]);
  expect(player.drives().map(({ start, from, to, told }) => [start, from, to, told])).toEqual([
    [
      1,
      1,
      8,
      [
        { tick: 1, text: "night" },
        { tick: 7, text: "rain" },
      ],
    ],
    [0, 1, 4, []],
    [
      1,
      6,
      9,
      [
        { tick: 1, text: "night" },
        { tick: 6, text: "snow" },
      ],
    ],
    [0, 5, 6, []],
  ]);

  const journal = createJournal();
  const recorded = recordCalls(world, () => undefined, journal);
  const { ids, ...record } = player.tree.records();
  expect(ids).toEqual([0, 1, 2, 3, 4]);
  const saved = parseSession(
    formatSession({
      ...{ world: "tiny-prompt", packageSha256: opened.package.sha256, engine: { name: "own", precision: "float32" } },
      ...{ seed: 7, start: 1, actionNames: ["steer", "gas"], record: { ...record, at: { branch: 4, tick: 6 } } },
    }),
  );
  await recorded.load(resetOf(beginningOf(saved)), saved.record);
  let shown = 0;
  for (const [branch, { frames: count }] of plan.shots.entries()) {
    const { end, name } = journal.branches()[branch] ?? { end: 0, name: "" };
    expect(name).toBe(plan.shots[branch]?.name);
    for (let tick = end - count + 1; tick <= end; tick++) {
      const frame = await recorded.seek({ branch, tick });
      expect(await frameSha256(frame), `${name}, tick ${tick}`).toBe(frames[shown++]?.sha256);
    }
  }
  expect(journal.record().branches).toEqual(saved.record.branches); // looking at them has changed nothing
  await world.close();
}, 60_000);

test("a session that was played is a story, in any order of its branches, and a story a session", async () => {
  const opened = await openWorldNode(PROMPTED, { engine: "own", threads: 1, timelineCapacity: 0 });
  const { manifest } = opened.world;
  const journal = createJournal();
  const world = recordCalls(opened.world, () => undefined, journal);
  const seen: string[] = [];
  const step = async (steer: number, prompt?: string) =>
    seen.push(await frameSha256(await world.step(Float32Array.of(steer, 1), prompt)));
  await world.reset({ seed: 7, start: 1 });
  for (let tick = 1; tick <= 6; tick++) await step(0.5, { 3: "night" }[tick]);
  journal.part(); // another shot, that only goes on
  for (let tick = 7; tick <= 9; tick++) await step(0.5);
  await world.cut(0);
  for (let tick = 1; tick <= 3; tick++) await step(-1);
  await world.seek({ branch: 0, tick: 4 }); // in the middle of the first
  for (let tick = 5; tick <= 7; tick++) await step(-1, { 6: "snow" }[tick]);
  await world.seek({ branch: 2, tick: 0 }); // at the cut itself
  for (let tick = 1; tick <= 2; tick++) await step(1);
  expect(journal.branches().map(({ parting, end }) => [parting, end])).toEqual([
    [null, 6],
    [{ branch: 0, tick: 6 }, 9],
    [null, 3],
    [{ branch: 0, tick: 4 }, 7],
    [{ branch: 2, tick: 0 }, 2],
  ]);

  const exported = () => {
    const { ids: _, ...record } = journal.record();
    const session = { packageSha256: opened.package.sha256, engine: { name: "own", precision: "float32" } as const };
    const saved = { ...session, ...{ world: "tiny-prompt", seed: 7, start: 1, actionNames: ["steer", "gas"], record } };
    expect(parseSession(formatSession(saved))).toEqual(saved);
    return parseStory(JSON.stringify(storyOf(saved, manifest)));
  };
  const planOf = (exported: Story) => planStory(exported, manifest, () => expect.fail("no file"));
  const play = async (exported: Story) => {
    const { signal } = new AbortController();
    const player = playStory(opened.world, await planOf(exported), () => expect.fail("no policy"), signal);
    const frames: string[] = [];
    for await (const frame of player.frames) frames.push(await frameSha256(frame));
    return frames;
  };
  const first = exported();
  expect(first.shots.map(({ name, begin, frames, prompt }) => [name, begin, frames, prompt])).toEqual([
    ["Branch 1", { start: 1 }, 2, undefined],
    ["Branch 1 2", "continue", 2, "night"],
    ["Branch 1 3", "continue", 2, undefined],
    ["Branch 2", "continue", 3, undefined],
    ["Branch 3", { start: 0 }, 3, undefined],
    ["Branch 4", { return: "Branch 1 2" }, 1, undefined],
    ["Branch 4 2", "continue", 2, "snow"],
    ["Branch 5", { start: 0 }, 2, undefined],
  ]);
  expect(await play(first)).toEqual(seen);

  expect([journal.move(1, -1), journal.move(0, -1), journal.move(2, -1), journal.move(2, -1)]).toEqual([
    ...[false, false, true, true], // a branch never stands before the one that it parts from
  ]);
  expect(journal.branches().map(({ id }) => id)).toEqual([2, 0, 1, 3, 4]);
  const cutFirst = exported();
  expect(cutFirst.shots[0]).toMatchObject({ name: "Branch 3", begin: { start: 0 } });
  expect(await play(cutFirst)).toEqual([...seen.slice(9, 12), ...seen.slice(0, 9), ...seen.slice(12)]);

  const { seed, start, record } = recordStory(await planOf(first), 2);
  await world.load({ seed, start }, record);
  const shown: string[] = [];
  for (const [branch, { end, parting }] of journal.branches().entries()) {
    for (let tick = (parting?.tick ?? 0) + 1; tick <= end; tick++)
      shown.push(await frameSha256(await world.seek({ branch, tick })));
  }
  expect(shown).toEqual(seen);
  const scripted = planOf(parseStory(story({ frames: 1, policy: "random" })));
  await expect(scripted.then((plan) => recordStory(plan, 2))).rejects.toThrow(/shot 1: policy: the page plays/);
  await opened.world.close();
}, 60_000);

test.runIf(hasFfmpeg)(
  "the video has captions and a record that holds, the session its last frame",
  async () => {
    const made = await direct("shots.json", "--out", file("a.mp4"));
    expect(made).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^5 shots, 0\.7 s \(18 frames\) of tiny-prompt in /),
    });
    expect((await readdir(folder)).sort()).toEqual(["a.mp4", "a.session.json", "lap.jsonl", "shots.json"]);
    await direct("shots.json", "--out", file("b.mp4"));
    for (const name of ["mp4", "session.json"])
      expect(await readFile(file(`b.${name}`))).toEqual(await readFile(file(`a.${name}`)));
    const { stdout } = spawnSync("ffmpeg", ["-v", "error", "-i", file("a.mp4"), "-map", "0:s", "-f", "srt", "-"]);
    expect([...stdout.toString().matchAll(/^[a-zA-Z].*$/gm)].map(([text]) => text)).toEqual([
      "night",
      "night",
      "rain",
      "cut",
      "snow",
      "Shot 5",
    ]);

    const here = ["--world", PROMPTED];
    for (const name of ["a.mp4", "a.session.json"])
      expect(await worldloop(["verify", file(name), ...here])).toMatchObject({ code: 0, stderr: "" });
    const played = await worldloop([
      "rollout",
      "--session",
      file("a.session.json"),
      ...here,
      "--branch",
      "back",
      "--out",
      file("back"),
    ]);
    expect(played).toMatchObject({ code: 0, stderr: "" });
    expect(JSON.parse(await readFile(file("back/rollout.json"), "utf8"))).toMatchObject({
      start: 1,
      prompts: [{ text: "night" }, { text: "snow" }],
    });
    const cut = await worldloop(["rollout", "--session", file("a.session.json"), ...here, "--out", file("cut")]);
    expect(cut.stdout).toMatch(/^6 frames .*; tick 6 is the frame that the page showed\n$/);

    const session = await readFile(file("a.session.json"), "utf8");
    await writeFile(file("bent.session.json"), session.replace('"snow"', '"fog"'));
    expect(await worldloop(["verify", file("bent.session.json"), ...here])).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/tick 9 of back differs/),
    });
    const bytes = await readFile(file("a.mp4"), "latin1");
    await writeFile(file("bent.mp4"), bytes.replace(/("frameSha256":")[0-9a-f]{4}/, "$1beef"), "latin1");
    expect(await worldloop(["verify", file("bent.mp4"), ...here])).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/ends a shot at another picture, number 8,/),
    });
  },
  120_000,
);

test.runIf(hasFfmpeg)(
  "Ctrl-C leaves nothing behind, and what is there is never written over",
  async () => {
    const before = await readdir(folder);
    await writeFile(file("long.json"), story({ frames: 100_000 }));
    const stop = new AbortController();
    const played = worldloop(
      ["direct", "--world", WORLD, "--shots", file("long.json"), "--out", file("new/long.mp4")],
      stop.signal,
      (text) => (/frames/.test(text) ? stop.abort() : undefined),
    );
    setTimeout(() => stop.abort(), 1500);
    expect(await played).toMatchObject({ code: 130 });
    await rm(file("long.json"));
    expect(await readdir(folder)).toEqual(before);
    await writeFile(file("old.session.json"), "mine");
    expect(await direct("shots.json", "--out", file("old.mp4"))).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/old\.session\.json: .*add --force\n$/),
    });
    expect(await direct("shots.json", "--out", file("old.mp4"), "--force")).toMatchObject({ code: 0 });
  },
  60_000,
);

test.runIf(hasFfmpeg).each([
  [
    "a prompt that means nothing",
    PROMPTED,
    story({ frames: 1, prompt: "zebra" }),
    /x\.json: prompt: expected words that mean something here, .*got "zebra"\n$/,
  ],
  [
    "a prompt where none is taken",
    WORLD,
    story({ frames: 1, prompt: "night" }),
    /x\.json: prompt: tiny-world takes none/,
  ],
  [
    "a driver that isn't there",
    WORLD,
    story({ frames: 1, policy: "clever" }),
    /x\.json: --policy: expected random, scripted,/,
  ],
  [
    "a file that isn't there",
    WORLD,
    story({ frames: 1, actions: "none.jsonl" }),
    /x\.json: shot 1: .*none\.jsonl: expected a file/,
  ],
  [
    "a return to a later shot",
    WORLD,
    story({ frames: 1 }, { frames: 1, begin: { return: 3 } }),
    /x\.json: shot 2: return: .*got 3\n$/,
  ],
  ["broken JSON", WORLD, "{", /x\.json: shots: expected JSON/],
])("%s is refused in one line, and nothing is written", async (_, world, text, message) => {
  await writeFile(file("x.json"), text);
  const before = await readdir(folder);
  const { code, stdout, stderr } = await worldloop([
    "direct",
    "--world",
    world,
    "--shots",
    file("x.json"),
    "--out",
    file("x/x.mp4"),
  ]);
  expect([code, stdout, stderr.trim().split("\n").length]).toEqual([2, "", 1]);
  expect(stderr).toMatch(message);
  expect(await readdir(folder)).toEqual(before);
});

test("without ffmpeg it says so, and that only the video is wanted of it", async () => {
  const { PATH } = process.env;
  process.env.PATH = folder;
  try {
    const { code, stderr } = await direct("shots.json", "--out", file("none.mp4"));
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^error: mp4: expected ffmpeg on the PATH, got none/),
    });
  } finally {
    process.env.PATH = PATH;
  }
});
