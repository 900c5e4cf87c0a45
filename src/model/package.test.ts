/** A sound package opens; each way of being wrong has its own error. */
import { createHash } from "node:crypto";
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test, vi } from "vitest";
import { MissingFileError } from "../errors";
import type { Bytes } from "./bytes";
import { folderSource } from "./folder-source";
import { httpSource } from "./http-source";
import type { Manifest } from "./manifest";
import { openPackage, type PackageSource } from "./package";

type Mutable<T> = T extends object ? { -readonly [K in keyof T]: Mutable<T[K]> } : T;
type Contents = Map<string, Bytes>;

const folder = fileURLToPath(new URL("../../tests/goldens/tiny-world", import.meta.url));
const sound: Contents = new Map();
for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile()) continue;
  const path = join(entry.parentPath, entry.name);
  sound.set(path.slice(folder.length + 1), new Uint8Array(await readFile(path)));
}

const memorySource = (contents: Contents): PackageSource => ({
  async read(path, { onBytes }) {
    const bytes = contents.get(path);
    if (!bytes) throw new MissingFileError(`${path}: missing`);
    onBytes?.(bytes.length);
    return bytes;
  },
});

/** A source of these contents, and the paths that it was asked for. */
function counted(contents: Contents): { source: PackageSource; asked: string[] } {
  const asked: string[] = [];
  const { read } = memorySource(contents);
  return {
    asked,
    source: {
      async read(path, options) {
        asked.push(path);
        return read(path, options);
      },
    },
  };
}

/** The sound package after `change`; `vouch` brings the manifest's entry of a file up to date. */
function changed(change: (manifest: Mutable<Manifest>, contents: Contents, vouch: typeof voucher) => void): Contents {
  const contents = new Map(sound);
  const manifest = JSON.parse(new TextDecoder().decode(sound.get("world.json")));
  change(manifest, contents, voucher);
  return contents.set("world.json", encode(JSON.stringify(manifest)));
}

function voucher(manifest: Mutable<Manifest>, contents: Contents, path: string, bytes: Bytes): void {
  contents.set(path, bytes);
  const sha256 = createHash("sha256").update(bytes).digest("hex");
  manifest.files[path] = { bytes: bytes.length, sha256 };
}

const encode = (text: string): Bytes => new Uint8Array(new TextEncoder().encode(text));
const open = (contents: Contents) => openPackage(memorySource(contents));
const field = (number: number, bytes: Uint8Array) => Uint8Array.of(8 * number + 2, bytes.length, ...bytes);
const appended = (path: string, extra: Uint8Array): Bytes => Uint8Array.of(...(sound.get(path) as Bytes), ...extra);
/** A graph of nothing but these fields. */
const model = (graph: Uint8Array): Bytes => Uint8Array.of(...field(7, graph));
/** A graph of so many empty nodes. */
function longModel(nodes: number): Bytes {
  const graph = new Uint8Array(2 * nodes).map((_, i) => (i % 2 === 0 ? 8 * 1 + 2 : 0));
  const length = [graph.length & 0x7f, (graph.length >> 7) & 0x7f, graph.length >> 14];
  return Uint8Array.of(8 * 7 + 2, 0x80 | (length[0] ?? 0), 0x80 | (length[1] ?? 0), length[2] ?? 0, ...graph);
}
const nodeWith = (attribute: Uint8Array) => field(1, field(5, attribute));

test("a sound package opens, with progress up to its last byte", async () => {
  const seen: number[] = [];
  const { source, asked } = counted(sound);
  const opened = await openPackage(source, { onProgress: ({ loaded, total }) => seen.push(loaded / total) });
  expect(opened.manifest.name).toBe("tiny-world");
  expect(opened.sha256).toBe(
    createHash("sha256")
      .update(sound.get("world.json") as Bytes)
      .digest("hex"),
  );
  const starts = ["latents", "actions", "picture"].flatMap((what) => [`starts/0.${what}`, `starts/1.${what}`]);
  expect(asked.sort()).toEqual(["encoder.onnx", "tick.onnx", "world.json", ...starts].sort());
  expect(seen.at(-1)).toBe(1);
});

test("what no session needs isn't fetched", async () => {
  const more = changed((m) => Object.assign(m.files, { "README.md": { bytes: 1, sha256: "0".repeat(64) } }));
  const { source, asked } = counted(more);
  await openPackage(source);
  expect(asked).not.toContain("README.md");
});

test("where the start is known its files and the tick are fetched, everything else when it is asked for, and checked", async () => {
  const { source, asked } = counted(changed((_, c) => c.set("starts/0.picture", new Uint8Array(3))));
  const { read } = await openPackage(source, { start: 1 });
  expect(asked.sort()).toEqual(["starts/1.actions", "starts/1.latents", "starts/1.picture", "tick.onnx", "world.json"]);
  const encoder = await read("encoder.onnx");
  expect(encoder).toEqual(sound.get("encoder.onnx"));
  expect(await read("encoder.onnx")).toBe(encoder);
  expect(asked.filter((path) => path === "encoder.onnx")).toHaveLength(1);
  await expect(read("starts/0.picture")).rejects.toMatchObject({ name: "FileMismatchError" });
});

test("a graph that this schema doesn't know, such as an older package's larger pictures, is ignored", async () => {
  const older = await open(changed((m) => Object.assign(m, { large: { file: "large.onnx" } })));
  expect(older.manifest).not.toHaveProperty("large");
});

test("it opens in an insecure context too, where the platform has no SHA-256", async () => {
  vi.stubGlobal("crypto", {});
  try {
    expect((await open(sound)).sha256).toHaveLength(64);
  } finally {
    vi.unstubAllGlobals();
  }
});

const cases: [string, Contents, string, string][] = [
  ["no manifest", new Map(), "MissingFileError", "world.json"],
  ["bad JSON", new Map(sound).set("world.json", encode("<html>")), "ManifestError", "expected JSON"],
  [
    "an unknown version",
    changed((m) => Object.assign(m, { schema: 2 })),
    "ManifestVersionError",
    "expected schema 1, got 2",
  ],
  ["a missing field", changed((m) => Reflect.deleteProperty(m, "latent")), "ManifestError", "latent"],
  ["an action twice", changed((m) => m.actions.push(...m.actions.slice(0, 1))), "ManifestError", '"steer" twice'],
  ["a missing file", changed((_, c) => c.delete("tick.onnx")), "MissingFileError", "tick.onnx"],
  ["an unlisted file", changed((m) => Reflect.deleteProperty(m.files, "tick.onnx")), "ManifestError", "tick.onnx"],
  ["a wrong size", changed((_, c) => c.set("tick.onnx", new Uint8Array(3))), "FileMismatchError", "bytes, got 3"],
  [
    "a wrong hash",
    changed((_, c) =>
      c.set(
        "tick.onnx",
        Uint8Array.from(c.get("tick.onnx") as Bytes, (byte, i) => (i === 99 ? byte ^ 1 : byte)),
      ),
    ),
    "FileMismatchError",
    "tick.onnx: expected sha256",
  ],
  [
    "a batch of worlds without their dimension",
    changed((m) => Object.assign(m, { batch: m.tick })),
    "ShapeError",
    "batch.inputs, noise: expected float32",
  ],
  [
    "a wrong shape",
    changed((m) => m.tick.inputs.kv?.shape.reverse()),
    "ShapeError",
    "tick.inputs, kv: expected float32",
  ],
  [
    "a wrong type",
    changed((m) => Object.assign(m.tick.inputs.age ?? {}, { dtype: "float32" })),
    "ShapeError",
    "int32 [5]",
  ],
  [
    "an encoder of a picture and a latent",
    changed((m) => Object.assign(m.encoder.inputs, { before: m.encoder.outputs.latent })),
    "ShapeError",
    "encoder.inputs, before: expected uint8",
  ],
  ["a missing tensor", changed((m) => Reflect.deleteProperty(m.tick.outputs, "slot")), "ShapeError", "slot"],
  [
    "a start of another length",
    changed((m, c, vouch) => vouch(m, c, "starts/0.latents", new Uint8Array(4))),
    "ShapeError",
    "got 4",
  ],
  ...["../secret", "/etc/passwd", "a/../../b", "a\\b", "https://example.org/x", "a%2e%2e/b", "a//b", "./a"].map(
    (path): [string, Contents, string, string] => [
      `the path ${path}`,
      changed((m, c, vouch) => vouch(m, c, path, new Uint8Array(1))),
      "PathError",
      JSON.stringify(path),
    ],
  ),
  ["a graph outside", changed((m) => Object.assign(m.tick, { file: "../tick.onnx" })), "PathError", "../tick.onnx"],
  [
    "an unknown domain",
    changed((m, c, vouch) => vouch(m, c, "tick.onnx", appended("tick.onnx", field(8, field(1, encode("evil.ops")))))),
    "UnsafeGraphError",
    '"evil.ops"',
  ],
  [
    "an unknown domain of a node",
    changed((m, c, vouch) => vouch(m, c, "tick.onnx", model(field(1, field(7, encode("evil.ops")))))),
    "UnsafeGraphError",
    '"evil.ops"',
  ],
  [
    "a loop or a branch",
    changed((m, c, vouch) => vouch(m, c, "tick.onnx", model(nodeWith(field(6, new Uint8Array(0)))))),
    "UnsafeGraphError",
    "tick.onnx: expected one graph without control flow",
  ],
  [
    "more operators than any network needs",
    changed((m, c, vouch) => vouch(m, c, "tick.onnx", longModel(20_001))),
    "UnsafeGraphError",
    "tick.onnx: expected at most 20000 operators",
  ],
  [
    "a file that is a folder as well",
    changed((m, c, vouch) => vouch(m, c, "tick.onnx/weights.bin", new Uint8Array(1))),
    "PathError",
    "expected tick.onnx to be a file or a folder, got both",
  ],
  [
    "world.json in its own list",
    changed((m) => Object.assign(m.files, { "world.json": { bytes: 1, sha256: "0".repeat(64) } })),
    "ManifestError",
    "expected every file but world.json itself",
  ],
  [
    "functions",
    changed((m, c, vouch) => vouch(m, c, "tick.onnx", Uint8Array.of(...model(new Uint8Array(0)), 0xca, 0x01, 0))),
    "UnsafeGraphError",
    "expected one graph without control flow",
  ],
  [
    "a package of 2 GiB",
    changed((m) => Object.assign(m.files, { "big.bin": { bytes: 2 ** 31, sha256: "0".repeat(64) } })),
    "ManifestError",
    "expected at most 1073741824 bytes in all",
  ],
  [
    "a window that agrees with itself and fits no memory",
    changed((m) => {
      m.kv.window = 2 ** 31;
      const slots = m.kv.sink + m.kv.memory + m.kv.window;
      m.tick.inputs.kv?.shape.splice(0, 1, slots);
      m.tick.inputs.age?.shape.splice(0, 1, slots);
    }),
    "ShapeError",
    "tick.inputs, kv: expected at most 67108864 numbers",
  ],
  [
    "external data",
    changed((m, c, vouch) => vouch(m, c, "encoder.onnx", model(field(5, field(13, encode("weights.bin")))))),
    "UnsafeGraphError",
    "encoder.onnx: expected all weights inside the file",
  ],
  [
    "external data by location",
    changed((m, c, vouch) => vouch(m, c, "encoder.onnx", model(field(5, Uint8Array.of(8 * 14, 1))))),
    "UnsafeGraphError",
    "expected all weights inside the file",
  ],
  [
    "no graph at all",
    changed((m, c, vouch) => vouch(m, c, "tick.onnx", encode("hello"))),
    "UnsafeGraphError",
    "malformed",
  ],
  [
    "half a graph",
    changed((m, c, vouch) => vouch(m, c, "tick.onnx", (c.get("tick.onnx") as Bytes).slice(0, 5000))),
    "UnsafeGraphError",
    "malformed",
  ],
];

test.each(cases)("%s is refused", async (_, contents, name, message) => {
  await expect(open(contents)).rejects.toMatchObject({ name, message: expect.stringContaining(message) });
});

test("a link out of the folder, a folder for a file, and a file longer than listed are refused", async () => {
  const temporary = await mkdtemp(join(tmpdir(), "worldloop-"));
  try {
    const outside = await mkdtemp(join(tmpdir(), "worldloop-"));
    await writeFile(join(outside, "secret"), "x");
    await symlink(join(outside, "secret"), join(temporary, "link"));
    await writeFile(join(temporary, "long"), "12345");
    const read = (path: string) => folderSource(temporary).read(path, { maxBytes: 4 });
    await expect(read("link")).rejects.toMatchObject({ name: "PathError" });
    await expect(read("long")).rejects.toMatchObject({ name: "FileMismatchError" });
    await expect(read("nothing")).rejects.toMatchObject({ name: "MissingFileError" });
    await expect(read("long/er")).rejects.toMatchObject({ name: "MissingFileError" });
    await rm(outside, { recursive: true });
  } finally {
    await rm(temporary, { recursive: true });
  }
});

test("a file with a wrong hash is read anew once, past any cache", async () => {
  const source = memorySource(sound);
  const asked: (boolean | undefined)[] = [];
  const damagedOnce: PackageSource = {
    async read(path, options) {
      const bytes = await source.read(path, options);
      if (path !== "tick.onnx") return bytes;
      asked.push(options.afresh);
      return options.afresh ? bytes : bytes.map((byte) => byte ^ 1);
    },
  };
  const { read } = await openPackage(damagedOnce);
  expect(await read("tick.onnx")).toEqual(sound.get("tick.onnx"));
  expect(asked).toEqual([false, true]);
});

test("over HTTP: reads, reports bytes, refuses what is missing or too long, and can be called off", async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const url = (request.url ?? "").replace("/worlds/tiny/", "");
    asked.push(url);
    const bytes = sound.get(url.replace(/\?.*/, ""));
    response.writeHead(bytes ? 200 : 404).end(bytes);
  });
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  try {
    const { port } = server.address() as AddressInfo;
    const source = httpSource(`http://127.0.0.1:${port}/worlds/tiny/`);
    const seen: number[] = [];
    const opened = await openPackage(source, { onProgress: ({ loaded, total }) => seen.push(loaded / total) });
    expect(await opened.read("starts/1.actions")).toEqual(new Uint8Array(0));
    expect(seen.at(-1)).toBe(1);
    // A file's address changes with its contents, so a cache can't answer with an older version's.
    expect(asked).toContain("world.json");
    expect(asked).toContain(`tick.onnx?sha256=${opened.manifest.files["tick.onnx"]?.sha256}`);
    expect(asked.filter((url) => !url.includes("?"))).toEqual(["world.json"]);
    await expect(source.read("none", { maxBytes: 1 })).rejects.toMatchObject({ name: "MissingFileError" });
    await expect(source.read("tick.onnx", { maxBytes: 9 })).rejects.toMatchObject({ name: "FileMismatchError" });
    await expect(openPackage(source, { signal: AbortSignal.abort() })).rejects.toMatchObject({ name: "AbortedError" });
    const late = new AbortController();
    const opening = openPackage(source, { signal: late.signal, onProgress: () => late.abort() });
    await expect(opening).rejects.toMatchObject({ name: "AbortedError" });
  } finally {
    server.closeAllConnections();
    server.close();
  }
  const gone = httpSource("http://127.0.0.1:9/"); // the discard port: nobody listens
  await expect(gone.read("x", { maxBytes: 1 })).rejects.toMatchObject({ name: "OfflineError" });
});
