/** Quick samples of `recordings.ts` and `addresses.ts`: whatever is broken is refused by name, and nothing is left behind. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { packActions } from "../../src/record/share-link";
import { KINDS, mutateFile } from "./files";
import { mutateAddress, tryAddress } from "./try-address";
import { soundFiles, tryFile, tryPage } from "./try-file";

const folder = mkdtempSync(join(tmpdir(), "worldloop-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("of broken recordings each is played or refused by name, in one line", async () => {
  const sound = await soundFiles(folder);
  const outcomes = new Set<string>();
  for (let index = 0; index < 6 * KINDS.length; index++)
    outcomes.add(await tryFile(mutateFile(sound, 7, index), folder, Math.floor(index / KINDS.length)));
  expect(readdirSync(folder)).toEqual([]);
  expect([...outcomes].filter((outcome) => outcome.includes(": 2"))).not.toEqual([]);
  expect([...outcomes].filter((outcome) => /rollout .*: 0/.test(outcome))).not.toEqual([]);
}, 120_000); // ms, of a busy machine

test("of a thousand broken stories each is planned or refused by name", async () => {
  const sound = await soundFiles(folder);
  const kinds = KINDS.filter((kind) => kind.startsWith("story"));
  const outcomes: string[] = [];
  for (let index = 0; index < 1000; index++)
    outcomes.push(await tryPage("shots.json", mutateFile(sound, 7, index, kinds).contents));
  expect([...new Set(outcomes)].sort()).toEqual(["RecordingError", "plays"]);
}, 120_000);

test("of broken addresses each is read or refused by name, with a way out that leads elsewhere", async () => {
  const replay = await packActions(Array.from({ length: 50 }, (_, t) => Float32Array.of(Math.sin(t), t % 2, 0)));
  const outcomes = new Set<string>();
  for (let index = 0; index < 300; index++) outcomes.add(await tryAddress(mutateAddress(7, index, replay)));
  expect([...outcomes].sort()).toEqual(
    expect.arrayContaining(["BackendError", "RecordingError", "UnknownWorldError", "read", "read, with a drive"]),
  );
}, 60_000);
