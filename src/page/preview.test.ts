/** Every shipped world has a preview, and it was dreamed by the weights that the package has now. */
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { Manifest } from "../model/manifest";
import { listWorlds, WORLDS_FOLDER } from "../model/node-runtime";
import { previewOf, sheetAddress } from "./preview";

const MOST_BYTES = 150_000;
const read = (path: string) => JSON.parse(readFileSync(path, "utf8"));
const sha256 = (contents: Uint8Array) => createHash("sha256").update(contents).digest("hex");

describe.each(listWorlds())("%s", (name) => {
  const folder = join(WORLDS_FOLDER, name);
  const manifest: Manifest = read(join(folder, "world.json"));
  const again = "run `.venv/bin/python -m training.package.preview`";

  it("has a preview made by its own weights, whole and small", () => {
    const path = join(folder, "preview.json");
    const preview = existsSync(path) ? previewOf(manifest, read(path)) : undefined;
    if (!preview) throw new Error(`${name}: expected a preview made by this version of the package; ${again}`);
    const sheet = readFileSync(join(folder, preview.picture.file));
    expect([sheet.length, sha256(sheet)]).toEqual([preview.picture.bytes, preview.picture.sha256]);
    expect(sheet.length).toBeLessThanOrEqual(MOST_BYTES);
    expect(preview.frames / preview.frameRate).toBeGreaterThan(2);
    expect(manifest.files).not.toHaveProperty(preview.picture.file); // another preview is no other version of the world
    for (const file of Object.keys(preview.madeBy)) {
      expect(sha256(readFileSync(join(folder, file)))).toBe(preview.madeBy[file]);
    }
  });

  it("has none when a weight has changed, or a start", () => {
    const facts = read(join(folder, "preview.json"));
    for (const file of [manifest.tick.file, manifest.starts[0]?.latents ?? ""]) {
      const files = { ...manifest.files, [file]: { bytes: 1, sha256: "0".repeat(64) } };
      expect(previewOf({ ...manifest, files }, facts)).toBeUndefined();
    }
  });
});

const graph = { bytes: 1, sha256: "a".repeat(64) };
const manifest = { tick: { file: "tick.onnx", inputs: {}, outputs: {} }, files: { "tick.onnx": graph } };
const facts = {
  schema: 1,
  picture: { file: "preview.webp", bytes: 9, sha256: "b".repeat(64) },
  ...{ frames: 4, columns: 2, width: 8, height: 8, frameRate: 10, seed: 1, start: 0, driver: "by sight" },
  madeBy: { "tick.onnx": graph.sha256 },
};

it("is asked for by its hash", () => {
  const preview = previewOf(manifest, facts);
  expect(preview && sheetAddress(preview, "worlds/a/")).toBe(`worlds/a/preview.webp?sha256=${"b".repeat(64)}`);
});

it.each([
  ["nothing", undefined],
  ["a list", []],
  ["another schema", { ...facts, schema: 2 }],
  ["no frames", { ...facts, frames: 0 }],
  ["a way out of the folder", { ...facts, picture: { ...facts.picture, file: "../other.webp" } }],
  ["an address elsewhere", { ...facts, picture: { ...facts.picture, file: "https://example.org/a.webp" } }],
  ["a hash that is none", { ...facts, picture: { ...facts.picture, sha256: "&x" } }],
  ["no word of who made it", { ...facts, madeBy: {} }],
  ["made by a start alone", { ...facts, madeBy: { "starts/0": graph.sha256 } }],
  ["made by a prototype's member", { ...facts, madeBy: { ...facts.madeBy, toString: graph.sha256 } }],
])("is none: %s", (_, other) => {
  expect(previewOf(manifest, other)).toBeUndefined();
});
