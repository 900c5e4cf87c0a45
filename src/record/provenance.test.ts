import { beforeAll, describe, expect, it, test } from "vitest";
import { carActions } from "../action/car.fixture";
import { resetOf } from "../model/beginning";
import { createFakeWorld } from "../model/fake-world";
import { sha256Hex } from "../model/hash";
import { GENERATED, originOf, type Provenance, parseProvenance } from "../model/provenance";
import { rgbOf } from "../model/rgb";
import type { Action, Frame, World } from "../model/world";
import { formatActionLog, parseActionLog } from "./action-log";
import type { ClipPictures } from "./clip-file";
import { RECORD_BOX } from "./clip-file";
import type { Picture } from "./compare";
import { enlarge } from "./enlarge";
import { uuidBox, XMP_BOX } from "./mp4-box";
import { addPngTexts, readPng } from "./png-text";
import { type MarkedFile, readMarkedFile } from "./provenance-file";
import { PNG_RECORD, screenshot } from "./screenshot";
import { createShots, describeShots } from "./shots";
import { verifyRecord } from "./verify-record";
import { xmpPacket } from "./xmp";

const SEED = 7;
const PACKAGE = "0".repeat(64);
const actions = Array.from({ length: 12 }, (_, t) => Float32Array.of(Math.sin(t), t % 2, 0));

let world: World;
let frames: Frame[]; // tick 0 … 12
beforeAll(async () => {
  world = createFakeWorld();
  frames = [await world.reset({ seed: SEED, start: 0 })];
  for (const action of actions) frames.push(await world.step(action));
});

const origin = () => originOf({ packageSha256: PACKAGE, backend: world.backend }, "fake");
const drive = (from: number, to: number) => ({ seed: SEED, start: 0, from, to, actions: actions.slice(0, to) });
const frameAt = (tick: number) => frames[tick] as Frame;

async function recordOf(kind: Provenance["kind"], from: number, to: number, withActions = true): Promise<Provenance> {
  const [shot] = await describeShots([drive(from, to)], withActions);
  if (!shot) throw new Error("no shot");
  const frameSha256 = await sha256Hex(rgbOf(frameAt(to).rgba));
  return { ...origin(), kind, shots: [kind === "actions" ? { ...shot, frameSha256 } : shot] };
}

const noClip = () => Promise.reject(new Error("no clip here"));
const verify = (found: MarkedFile, of: World = world, openClip: () => Promise<ClipPictures> = noClip) =>
  verifyRecord(found, { world: of, packageSha256: PACKAGE }, { openClip });

async function read(file: Blob): Promise<MarkedFile> {
  const found = await readMarkedFile(file);
  if (found.kind === "plain log") throw new Error("expected a record");
  return found;
}

const bytesOf = async (file: Blob) => new Uint8Array(await file.arrayBuffer());
const refusal = (message: RegExp) =>
  expect.objectContaining({ name: "RecordingError", message: expect.stringMatching(message) });

describe("a picture", () => {
  it("says where it came from, in our words and in IPTC's, and replays to the bit", async () => {
    const file = screenshot(frameAt(12), await recordOf("picture", 12, 12));
    const { texts } = readPng(await bytesOf(file));
    expect(texts.get("XML:com.adobe.xmp")).toContain(`Iptc4xmpExt:DigitalSourceType="${GENERATED}"`);
    const found = await read(file);
    expect(found).toMatchObject({ kind: "picture", signed: false, contradiction: null });
    expect(found.provenance).toMatchObject({ world: "fake", packageSha256: PACKAGE, generator: "Worldloop 0.1.0" });
    expect(found.provenance.shots[0]).toMatchObject({ seed: SEED, start: 0, from: 12, to: 12 });
    expect(await verify(found)).toMatchObject({ outcome: "same" });
  });

  it("of the start itself has no actions, and is verified all the same", async () => {
    expect(await verify(await read(screenshot(frameAt(0), await recordOf("picture", 0, 0))))).toMatchObject({
      outcome: "same",
    });
  });

  it("that isn't of its record isn't verified, nor one with a pixel retouched", async () => {
    const other = screenshot(frameAt(3), await recordOf("picture", 12, 12));
    expect(await verify(await read(other))).toMatchObject({
      outcome: "different",
      line: expect.stringMatching(/^Not true/),
    });
    const touched = {
      ...frameAt(12),
      rgba: frameAt(12).rgba.map((value, i) => (i === 5 ? value ^ 8 : value)) as never,
    };
    const retouched = screenshot(touched, await recordOf("picture", 12, 12));
    expect(await verify(await read(retouched))).toMatchObject({
      outcome: "different",
      line: expect.stringMatching(/nearly/),
    });
  });

  it("made on another engine is compared by likeness, and says so", async () => {
    const record = { ...(await recordOf("picture", 12, 12)), engine: { name: "webgpu", threads: 1 } };
    const rounded = { ...frameAt(12), rgba: frameAt(12).rgba.map((value) => value ^ 1) as Frame["rgba"] };
    const alike = await verify(await read(screenshot(rounded, record)));
    expect(alike).toMatchObject({
      outcome: "alike",
      line: expect.stringMatching(/PSNR 4\d\.\d dB.*onnxruntime \(webgpu\)/),
    });
    expect(await verify(await read(screenshot(frameAt(3), record)))).toMatchObject({ outcome: "unsure" });
  });

  it("without its actions says that it can't be replayed", async () => {
    const found = await read(screenshot(frameAt(12), await recordOf("picture", 12, 12, false)));
    expect(found.provenance.shots[0]?.actions).toBeUndefined();
    expect(found.provenance.shots[0]?.actionsSha256).toMatch(/^[0-9a-f]{64}$/);
    await expect(verify(found)).rejects.toEqual(refusal(/whoever made it kept them/));
  });

  it("of a drive from one's own picture has that picture's hash, not the picture, and is verified where it is at hand", async () => {
    const { width, height } = world.manifest.picture;
    const own = Uint8Array.from({ length: width * height * 3 }, (_, i) => i % 251);
    const other = createFakeWorld();
    await other.reset(resetOf({ seed: SEED, start: 1, picture: own }));
    const frame = await other.step(actions[0] as Action);
    const drives = [{ seed: SEED, start: 1, picture: own, from: 1, to: 1, actions: actions.slice(0, 1) }];
    const record: Provenance = { ...origin(), kind: "picture", shots: await describeShots(drives, true) };
    expect(record.shots[0]).toMatchObject({ seed: SEED, contextSha256: await sha256Hex(own) });
    expect(record.shots[0]).not.toHaveProperty("start");
    expect(record.shots[0]).not.toHaveProperty("picture");
    const found = await read(screenshot(frame, record));
    await expect(verify(found)).rejects.toEqual(refusal(/pictures of somebody's own, which aren't in the file/));
    const opened = { world: createFakeWorld(), packageSha256: PACKAGE };
    expect(await verifyRecord(found, opened, { openClip: noClip, picture: own })).toMatchObject({ outcome: "same" });
    const wrong = verifyRecord(found, opened, { openClip: noClip, picture: own.map((value) => value ^ 1) });
    await expect(wrong).rejects.toEqual(refusal(/pictures of somebody's own/));
  });

  it("of another version of the world says which", async () => {
    const found = await read(screenshot(frameAt(2), await recordOf("picture", 2, 2)));
    const moved = verifyRecord(found, { world, packageSha256: "f".repeat(64) }, { openClip: noClip });
    await expect(moved).rejects.toEqual(refusal(/version 000000000000… of fake.*version ffffffffffff…/));
  });

  it("whose record was edited contradicts itself", async () => {
    const record = await recordOf("picture", 12, 12);
    const [shot] = record.shots;
    const [other] = (await recordOf("picture", 11, 11)).shots;
    if (!shot || !other?.actions) throw new Error("no shot");
    const forged = { ...record, shots: [{ ...shot, actions: other.actions }] };
    const found = await read(screenshot(frameAt(12), forged));
    expect(found.contradiction).toMatch(/contradicts itself/);
    expect(await verify(found)).toMatchObject({ outcome: "different" });
    const longer = { ...record, shots: [{ ...shot, from: 13, to: 13 }] };
    await expect(verify(await read(screenshot(frameAt(12), longer)))).rejects.toEqual(refusal(/tick 13 and holds 12/));
    const stolen = screenshot(frameAt(12), await recordOf("clip", 12, 12));
    expect((await read(stolen)).contradiction).toMatch(/taken from another file/);
  });

  it("that was resized can't be compared", async () => {
    const record = await recordOf("picture", 12, 12);
    const wide = enlarge({ ...frameAt(12), width: 16, height: 48 }, 3);
    await expect(verify(await read(screenshot(wide, record)))).rejects.toEqual(refusal(/cut or resized/));
  });
});

describe("a broken picture", () => {
  const text = "one sentence";
  test.each<readonly [string, (png: Uint8Array<ArrayBuffer>) => BlobPart[], RegExp]>([
    ["cut short", (png) => [png.subarray(0, png.length / 2)], /an end too soon/],
    ["cut inside its last part", (png) => [png.subarray(0, png.length - 3)], /an end too soon/],
    [
      "with a bit turned",
      (png) => [png.with(200, (png[200] ?? 0) ^ 1) as Uint8Array<ArrayBuffer>],
      /wrong checksum of its part iTXt/,
    ],
    ["with a length beyond its end", (png) => [png.with(8, 0x7f) as Uint8Array<ArrayBuffer>], /an end too soon/],
    ["empty", () => [], /an empty file/],
    ["of another kind", () => ["\xff\xd8\xff\xe0 JFIF"], /got something else/],
    ["with a record that is no JSON", (png) => [addPngTexts(stripped(png), [[PNG_RECORD, "{"]])], /as JSON/],
    ["of a newer schema", (png) => [addPngTexts(stripped(png), [[PNG_RECORD, '{"schema":2}']])], /schema 1, got 2/],
    [
      "with a record of half the fields",
      (png) => [addPngTexts(stripped(png), [[PNG_RECORD, '{"schema":1}']])],
      /It was changed/,
    ],
    ["stripped of its record", (png) => [stripped(png)], /carries no record/],
  ])(`%s is refused in ${text}`, async (_, damage, message) => {
    const png = await bytesOf(screenshot(frameAt(5), await recordOf("picture", 5, 5)));
    await expect(readMarkedFile(new Blob(damage(png)))).rejects.toEqual(refusal(message));
  });

  /** What an editor that doesn't know our texts leaves. */
  function stripped(png: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
    const view = new DataView(png.buffer);
    let at = 33;
    while (String.fromCharCode(...png.subarray(at + 4, at + 8)) === "iTXt") at += 12 + view.getUint32(at);
    return Uint8Array.of(...png.subarray(0, 33), ...png.subarray(at));
  }
});

describe("a clip", () => {
  /** An MP4 file of nothing but its head and our boxes; the pictures come from the test. */
  const mp4 = (record: Provenance) =>
    new Blob([
      Uint8Array.of(0, 0, 0, 16, ...new TextEncoder().encode("ftypisom"), 0, 0, 2, 0),
      uuidBox(XMP_BOX, xmpPacket(record)),
      uuidBox(RECORD_BOX, JSON.stringify(record)),
    ]);
  const pictures = (shown: readonly Frame[]) => async (): Promise<ClipPictures> => ({
    count: shown.length,
    at: async (index) => blurred(enlarge(shown[index] as Frame, 4)),
    close: () => undefined,
  });
  /** As video leaves it. */
  const blurred = (picture: Picture): Picture => ({ ...picture, rgba: picture.rgba.map((v, i) => v + ((i % 7) - 3)) });

  it("through a rewind is verified shot by shot, and holds what was rewound", async () => {
    const shots = createShots();
    const show = (tick: number, list: readonly Action[]) =>
      shots.add(
        { tick, action: list[tick - 1] as Action },
        { seed: SEED, start: 0, actions: () => list.slice(0, tick) },
      );
    for (let tick = 5; tick <= 12; tick++) show(tick, actions);
    shots.add({ tick: 8, action: null }, { seed: SEED, start: 0, actions: () => actions.slice(0, 8) }); // rewound
    const branch = [...actions.slice(0, 8), Float32Array.of(1, 1, 0), Float32Array.of(1, 0, 1)];
    for (const tick of [9, 10]) show(tick, branch);
    expect(shots.read().map(({ from, to }) => [from, to])).toEqual([
      [5, 12],
      [9, 10],
    ]);
    const record: Provenance = { ...origin(), kind: "clip", shots: await describeShots(shots.read(), true) };

    const other = createFakeWorld();
    await other.reset({ seed: SEED, start: 0 });
    const branched: Frame[] = [];
    for (const action of branch) branched.push(await other.step(action));
    const shown = [...frames.slice(5, 13), ...branched.slice(8)];
    const found = await read(mp4(record));
    expect(await verify(found, createFakeWorld(), pictures(shown))).toMatchObject({ outcome: "alike" });
    expect(await verify(found, createFakeWorld({ timelineCapacity: 0 }), pictures(shown))).toMatchObject({
      outcome: "alike",
    });
    expect(await verify(found, world, pictures(shown.slice(1)))).toMatchObject({
      outcome: "different",
      line: expect.stringMatching(/9 pictures.*of 10/),
    });
    const swapped = [...shown.slice(0, 8), frameAt(1), frameAt(1)];
    expect(await verify(found, world, pictures(swapped))).toMatchObject({
      outcome: "different",
      line: expect.stringMatching(/number (9|10)/),
    });
  });

  it("that is cut short, or has lost its record, is refused", async () => {
    const file = mp4(await recordOf("clip", 1, 5));
    await expect(readMarkedFile(file.slice(0, file.size - 5))).rejects.toEqual(refusal(/MP4: .*an end too soon/));
    await expect(readMarkedFile(file.slice(0, 16))).rejects.toEqual(refusal(/clip carries no record/));
    const webm = new Blob([Uint8Array.of(0x1a, 0x45, 0xdf, 0xa3, 1, 2, 3, 4, 5, 6, 7, 8, 9)]);
    await expect(readMarkedFile(webm)).rejects.toEqual(refusal(/can't be read|no record/));
  });
});

describe("an action log", () => {
  it("says what it is for, and is read as before", async () => {
    const record = await recordOf("actions", 0, 12, false);
    const text = formatActionLog(carActions, actions, record);
    expect(parseActionLog(carActions, text).actions).toEqual(actions);
    const found = await read(new Blob([text]));
    expect(found.kind).toBe("actions");
    expect(await verify(found)).toMatchObject({ outcome: "same" });
    const edited = await read(new Blob([text.replace('"gas":1', '"gas":0.5')]));
    expect(await verify(edited)).toMatchObject({
      outcome: "different",
      line: expect.stringMatching(/actions aren't those/),
    });
    expect(() => parseActionLog(carActions, text.replace('"gas":1', '"gas":7'))).toThrow(/^line 3: gas/);
  });

  it("without a record is a plain log", async () => {
    expect(await readMarkedFile(new Blob([formatActionLog(carActions, actions)]))).toMatchObject({ kind: "plain log" });
  });
});

it("a record too long for anybody's memory is refused before it is read", () => {
  expect(() => parseProvenance("Picture", " ".repeat(5_000_000))).toThrow(refusal(/at most 4000000 characters/));
});
