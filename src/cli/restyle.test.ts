/** `worldloop restyle` on videos of all kinds that ffmpeg can make: as many pictures, the same times, the same sound. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ALL_FORMATS, BufferSource, EncodedPacketSink, Input, type InputTrack } from "mediabunny";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { worldloop } from "../../tests/setup/collect";

const root = fileURLToPath(new URL("../../", import.meta.url));
const goldens = join(root, "tests/goldens/");
const withoutFfmpeg = spawnSync("ffmpeg", ["-version"]).error !== undefined;

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "worldloop-restyle-"));
  await writeFile(join(folder, "text.mp4"), "no video\n");
});
afterAll(() => rm(folder, { recursive: true }));

const make = (name: string, ...parameters: string[]) =>
  execFileSync("ffmpeg", ["-v", "error", "-y", ...parameters, join(folder, name)]);
const pictures = (size: string, rate: number, seconds: number) =>
  ["-f", "lavfi", "-i", `testsrc=size=${size}:rate=${rate}:duration=${seconds}`] as const;
const sine = ["-f", "lavfi", "-i", "sine=duration=1"] as const;

/** As typed, with the paths of the test's folder. */
const restyle = (from: string, to: string, ...more: string[]) =>
  worldloop([
    "restyle",
    "--world",
    `${goldens}tiny-guide`,
    "--in",
    join(folder, from),
    "--out",
    join(folder, to),
    ...more,
  ]);

async function packetsOf(name: string) {
  const input = new Input({ source: new BufferSource(await readFile(join(folder, name))), formats: ALL_FORMATS });
  const read = async (track: InputTrack | null | undefined) => {
    const found: { timestamp: number; data: Uint8Array }[] = [];
    if (track) for await (const packet of new EncodedPacketSink(track).packets()) found.push(packet);
    return found;
  };
  const [video, audio] = [await input.getPrimaryVideoTrack(), (await input.getAudioTracks())[0]];
  return {
    times: (await read(video)).map(({ timestamp }) => timestamp).sort((a, b) => a - b),
    sound: await read(audio),
  };
}

describe.skipIf(withoutFfmpeg)("with ffmpeg", () => {
  test.each([
    ["sound", "a.mp4", [...pictures("64x48", 25, 1), ...sine, "-pix_fmt", "yuv420p", "-c:a", "aac"]],
    ["an odd size", "b.mp4", [...pictures("61x43", 30, 0.5), "-pix_fmt", "yuv444p"]],
    [
      "a variable rate",
      "c.webm",
      [...pictures("64x48", 30, 1), ...sine, "-vf", "select='not(mod(n,7))+not(mod(n,5))'", "-fps_mode", "vfr"],
    ],
    [
      "a late beginning",
      "d.mkv",
      [...pictures("64x48", 10, 1), "-vf", "setpts=PTS+0.5/TB", "-fps_mode", "passthrough"],
    ],
  ])("a video with %s keeps its pictures, times and sound", async (_, name, parameters) => {
    make(name, ...parameters);
    const told = await restyle(name, `${name}.out.mp4`);
    expect(told).toMatchObject({ code: 0 });
    const [before, after] = [await packetsOf(name), await packetsOf(`${name}.out.mp4`)];
    expect(told.stdout).toMatch(new RegExp(`^${before.times.length} pictures of .* as tiny-guide in `));
    expect(after.times).toHaveLength(before.times.length);
    for (const [i, time] of before.times.entries()) expect(after.times[i]).toBeCloseTo(time, 3);
    expect(after.sound.map(({ data }) => data)).toEqual(before.sound.map(({ data }) => data));
    for (const [i, { timestamp }] of before.sound.entries())
      expect(after.sound[i]?.timestamp).toBeCloseTo(timestamp, 3);
  });

  test("it follows the video, as it is turned; says what it is, and can't be replayed without it", async () => {
    make("flat.mp4", ...pictures("64x48", 10, 0.5), "-pix_fmt", "yuv420p");
    make("turned.mp4", "-display_rotation", "90", "-i", join(folder, "flat.mp4"), "-c", "copy");
    for (const name of ["flat", "turned"]) await restyle(`${name}.mp4`, `${name}.out.mp4`);
    await restyle("flat.mp4", "again.out.mp4");
    const [flat, turned, again] = ["flat", "turned", "again"].map((name) =>
      String(
        execFileSync("ffmpeg", ["-v", "error", "-i", join(folder, `${name}.out.mp4`), "-map", "0:v", "-f", "md5", "-"]),
      ),
    );
    expect(again).toBe(flat);
    expect(turned).not.toBe(flat);
    const { stdout } = await worldloop(["inspect", join(folder, "flat.out.mp4")]);
    expect(JSON.parse(stdout)).toMatchObject({
      kind: "clip",
      world: "tiny-guide",
      shots: [{ from: 4, to: 8, guidesSha256: expect.stringMatching(/^[0-9a-f]{64}$/) }],
    });
    const verified = await worldloop(["verify", "--world", `${goldens}tiny-guide`, join(folder, "flat.out.mp4")]);
    expect(verified).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("painted after pictures of a camera or a"),
    });
  });

  test("interrupted, or where the sound doesn't fit, it leaves nothing behind", async () => {
    make("long.mp4", ...pictures("64x48", 25, 20), "-pix_fmt", "yuv420p");
    const parameters = [
      "--world",
      `${goldens}tiny-guide`,
      "--in",
      join(folder, "long.mp4"),
      "--out",
      join(folder, "x.mp4"),
    ];
    const command = spawn("node", ["src/cli/start.mjs", "src/cli/main.ts", "restyle", ...parameters], { cwd: root });
    await once(command.stderr, "data"); // the first word of progress
    command.kill("SIGINT");
    expect(await once(command, "exit")).toEqual([130, null]);
    make("vorbis.mkv", ...pictures("64x48", 10, 0.3), ...sine, "-c:a", "wmav2");
    const refused = await restyle("vorbis.mkv", "x.mp4");
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining("expected sound that an MP4 can hold") });
    expect((await readdir(folder)).filter((name) => name === "x.mp4" || name.startsWith("."))).toEqual([]);
  });
});

test.each([
  ["a text", "text.mp4", "o.mp4", [], "expected a whole video"],
  ["nothing", "none.mp4", "o.mp4", [], "none.mp4: expected a video, got nothing there"],
  ["a folder", ".", "o.mp4", [], "expected a video, got a folder"],
  ["another kind of file to write", "text.mp4", "o.avi", [], "--out: expected a file that ends in .mp4"],
  ["a file that is there", "text.mp4", "text.mp4", [], "expected a new file, got one that is there"],
  ["too much strength", "text.mp4", "o.mp4", ["--strength", "2"], "--strength: expected a number from 0 to 1"],
  ["words for a world that takes none", "text.mp4", "o.mp4", ["--prompt", "snow"], "tiny-guide takes none"],
  ["a world without guides", "text.mp4", "o.mp4", ["--world", `${goldens}tiny-world`], "tiny-world takes none"],
])("%s is one line", async (_, from, to, more, wanted) => {
  const { code, stderr } = await restyle(from, to, ...more);
  expect(code).toBe(2);
  expect(stderr).toContain(wanted);
  expect(stderr.trim().split("\n")).toHaveLength(1);
});
