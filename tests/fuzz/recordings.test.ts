/** Quick samples of `recordings.ts` and `addresses.ts`: whatever is broken is refused by name, and nothing is left behind. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { packActions } from "../../src/record/share-link";
import { mutateFile } from "./files";
import { mutateAddress, tryAddress } from "./try-address";
import { soundFiles, tryFile } from "./try-file";

const folder = mkdtempSync(join(tmpdir(), "worldloop-fuzz-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("of broken recordings each is played or refused by name, in one line", async () => {
  const sound = await soundFiles(folder);
  const outcomes = new Set<string>();
  for (let index = 0; index < 78; index++)
    outcomes.add(await tryFile(mutateFile(sound, 7, index), folder, Math.floor(index / 13)));
  expect(readdirSync(folder)).toEqual([]);
  expect([...outcomes].filter((outcome) => outcome.includes(": 2"))).not.toEqual([]);
  expect([...outcomes].filter((outcome) => /rollout .*: 0/.test(outcome))).not.toEqual([]);
}, 120_000); // ms, of a busy machine

test("of broken addresses each is read or refused by name, with a way out that leads elsewhere", async () => {
  const replay = await packActions(Array.from({ length: 50 }, (_, t) => Float32Array.of(Math.sin(t), t % 2, 0)));
  const outcomes = new Set<string>();
  for (let index = 0; index < 300; index++) outcomes.add(await tryAddress(mutateAddress(7, index, replay)));
  expect([...outcomes].sort()).toEqual(
    expect.arrayContaining(["BackendError", "RecordingError", "UnknownWorldError", "read", "read, with a drive"]),
  );
}, 60_000);
