/** A quick sample of `packages.ts`: whatever is broken in a package, a named error says so and nothing is left behind. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { folderSource } from "../../src/model/folder-source";
import { packZip, readWhole } from "../../src/model/pack";
import { mutate } from "./mutations";
import { tryPackage } from "./try";

const folder = mkdtempSync(join(tmpdir(), "worldloop-fuzz-"));
mkdirSync(join(folder, "worlds"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("of broken packages each is played or refused by name", async () => {
  const { files } = await readWhole(folderSource("tests/goldens/tiny-world"));
  expect(await tryPackage(packZip(files), folder, "own")).toBe("plays");
  const outcomes = new Set<string>();
  for (let index = 0; index < 80; index++) outcomes.add(await tryPackage(mutate(files, 7, index).zip, folder, "own"));
  expect([...outcomes]).toEqual(
    expect.arrayContaining(["ArchiveError", "PathError", "ManifestError", "UnsafeGraphError"]),
  );
  expect(mutate(files, 7, 5).zip).toEqual(mutate(files, 7, 5).zip); // any one can be made again
}, 120_000); // ms, of a busy machine
