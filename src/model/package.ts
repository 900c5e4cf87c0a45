/**
 * Opens a world package: reads the manifest, then the files that a session needs of those it lists, at once or when they
 * are asked for, and believes none of them before size, sha256, shapes and graphs are checked. The card and its pictures
 * stay where they are. Where the bytes come from is the source's business (`http-source.ts`, `folder-source.ts`). Session creation: see `graph-session.ts`.
 */

import { AbortedError, FileMismatchError, ManifestError, PathError, quoted } from "../errors";
import type { Bytes } from "./bytes";
import { checkContract } from "./contract";
import { sha256Hex } from "./hash";
import { type Manifest, parseManifest } from "./manifest";
import { checkOnnx } from "./onnx-check";

export interface ReadOptions {
  readonly signal?: AbortSignal | undefined;
  /** Reading may stop with an error once more than this many bytes have come. */
  readonly maxBytes: number;
  /** Of what is expected, where it is known: a cache then can't take another version for it. */
  readonly sha256?: string;
  /** Not from a cache: what was there is damaged. */
  readonly afresh?: boolean;
  /** Told of each further number of bytes. */
  readonly onBytes?: (bytes: number) => void;
}

/** Where the files of one package lie: on a host, in a folder, in a zip. */
export interface PackageSource {
  /** @param path relative, already checked. @throws MissingFileError, PathError, FileMismatchError when too long */
  read(path: string, options: ReadOptions): Promise<Bytes>;
}

export interface WorldPackage {
  readonly manifest: Manifest;
  /** Of world.json's bytes: it holds the hashes of all other files, so it stands for the whole package. */
  readonly sha256: string;
  /**
   * Any file of the list, and world.json, read and checked when it is first asked for, and kept: the same bytes each time.
   * @throws MissingFileError, FileMismatchError, UnsafeGraphError; asked again it tries again
   */
  read(path: string): Promise<Bytes>;
}

export interface OpenPackageOptions {
  /** Only what a session from this start needs is read at once. Absent: all that any session may need. */
  readonly start?: number | undefined;
  /** The package that is wanted, and no other. */
  readonly sha256?: string | undefined;
  /** Bytes read so far, of all that will be read. */
  readonly onProgress?: (progress: { readonly loaded: number; readonly total: number }) => void;
  /** Told of the picture that a session from `start` begins with, uint8 RGB [H, W, 3], long before the graph has come. */
  readonly onStartPicture?: (manifest: Manifest, rgb: Bytes) => void;
  readonly signal?: AbortSignal;
}

const MAX_MANIFEST_BYTES = 1 << 20; // a manifest is a few kilobytes

/**
 * @throws ManifestError, ManifestVersionError, PathError, MissingFileError, FileMismatchError, ShapeError,
 * UnsafeGraphError, AbortedError
 */
export async function openPackage(source: PackageSource, options: OpenPackageOptions = {}): Promise<WorldPackage> {
  const { signal, onProgress, onStartPicture, start } = options;
  try {
    signal?.throwIfAborted();
    const manifestBytes = await source.read("world.json", { signal, maxBytes: MAX_MANIFEST_BYTES });
    const sha256 = await sha256Hex(manifestBytes);
    if (options.sha256 !== undefined && options.sha256 !== sha256) {
      throw new FileMismatchError(
        `world.json: expected sha256 ${options.sha256}, got ${sha256}: it is another world, or another version of it. Ask for the address again.`,
      );
    }
    const manifest = parseManifest(new TextDecoder().decode(manifestBytes));
    checkFileList(manifest);
    checkContract(manifest);

    const needed = start === undefined ? neededFiles(manifest) : firstFiles(manifest, start);
    const total = needed.reduce((sum, path) => sum + listed(manifest, path).bytes, 0);
    let loaded = 0;
    const read = createReader(source, manifest, manifestBytes, {
      signal,
      onBytes(bytes) {
        loaded += bytes;
        if (loaded <= total) onProgress?.({ loaded, total }); // what is read later is nobody's progress
      },
    });
    const first = start === undefined ? undefined : manifest.starts[start];
    if (first && onStartPicture) {
      const shown = read(first.picture).then((rgb) => onStartPicture(manifest, rgb));
      shown.catch(() => undefined); // told by what comes next
    }
    await Promise.all(needed.map(read));
    signal?.throwIfAborted();
    return { manifest, sha256, read };
  } catch (error) {
    if (signal?.aborted) throw new AbortedError("Opening the world was called off.", { cause: error });
    throw error;
  }
}

/** Reads each file once; one that failed is read anew when it is asked for again. */
function createReader(
  source: PackageSource,
  manifest: Manifest,
  manifestBytes: Bytes,
  options: Omit<ReadOptions, "maxBytes" | "sha256">,
) {
  const graphs = [...graphFiles(manifest), ...(manifest.batch ? [manifest.batch.file] : [])];
  const files = new Map([["world.json", Promise.resolve(manifestBytes)]]);

  async function readSound(path: string, afresh: boolean): Promise<Bytes> {
    const expected = listed(manifest, path);
    const contents = await source.read(path, { ...options, maxBytes: expected.bytes, sha256: expected.sha256, afresh });
    await checkFile(path, contents, expected);
    return contents;
  }

  async function readChecked(path: string): Promise<Bytes> {
    const contents = await readSound(path, false).catch((error: Error) => {
      if (error.name !== "FileMismatchError") throw error;
      return readSound(path, true); // a cache's copy may be damaged where the source isn't
    });
    if (graphs.includes(path)) checkOnnx(path, contents);
    return contents;
  }

  return (path: string): Promise<Bytes> => {
    const reading = files.get(path) ?? readChecked(path);
    files.set(path, reading);
    reading.catch(() => files.delete(path));
    return reading;
  };
}

const graphFiles = ({ tick, encoder, reward }: Manifest): string[] => [
  tick.file,
  encoder.file,
  ...(reward ? [reward.file] : []),
];

/** Of its words, where it takes prompts: they are there before the first one is told. */
const wordFiles = ({ prompt }: Pick<Manifest, "prompt">): string[] => (prompt ? [prompt.file] : []);

const startFiles = ({ latents, actions, picture }: Manifest["starts"][number]) => [latents, actions, picture];

/** All that any session may need. */
export const neededFiles = (manifest: Manifest): string[] => [
  ...new Set([...graphFiles(manifest), ...wordFiles(manifest), ...manifest.starts.flatMap(startFiles)]),
];

/** What is fetched before the first frame of a session from this start, besides the manifest. */
export const firstFiles = ({ tick, starts, prompt }: Manifest, start: number): string[] => [
  ...new Set([tick.file, ...wordFiles({ prompt }), ...starts.slice(start, start + 1).flatMap(startFiles)]),
];

/** Every path is a plain one, and every file that the manifest speaks of is in its list. */
function checkFileList(manifest: Manifest): void {
  for (const path of Object.keys(manifest.files)) {
    checkPath(path);
    const inside = [...path.matchAll(/\//g)].map(({ index }) => path.slice(0, index));
    const both = inside.find((folder) => Object.hasOwn(manifest.files, folder));
    if (both) throw new PathError(`world.json, files: expected ${both} to be a file or a folder, got both.`);
  }
  if (Object.hasOwn(manifest.files, "world.json")) {
    throw new ManifestError("world.json, files: expected every file but world.json itself, got it too.");
  }
  const { batch } = manifest; // read by the Python package alone
  for (const path of [...neededFiles(manifest), ...(batch ? [batch.file] : [])]) {
    checkPath(path);
    listed(manifest, path);
  }
}

function listed(manifest: Manifest, path: string): { readonly bytes: number; readonly sha256: string } {
  const entry = Object.hasOwn(manifest.files, path) ? manifest.files[path] : undefined;
  if (entry) return entry;
  throw new ManifestError(`world.json, files: expected ${path} with its size and sha256, got no such entry.`);
}

/**
 * Letters, digits, ".", "_" and "-" between single slashes: no absolute path, "..", backslash, scheme, or percent sign
 * (which a URL would decode).
 */
export const isPlainPath = (path: string): boolean =>
  path.split("/").every((part) => /^[A-Za-z0-9._-]+$/.test(part) && part !== "." && part !== "..");

/** @throws PathError */
export function checkPath(path: string): void {
  if (isPlainPath(path)) return;
  throw new PathError(`world.json: expected a path inside the package such as starts/0.bin, got ${quoted(path)}.`);
}

async function checkFile(path: string, contents: Bytes, expected: { bytes: number; sha256: string }): Promise<void> {
  if (contents.length !== expected.bytes) {
    throw new FileMismatchError(
      `${path}: expected ${expected.bytes} bytes, got ${contents.length}. Download or export the world again.`,
    );
  }
  const found = await sha256Hex(contents);
  if (found !== expected.sha256) {
    throw new FileMismatchError(
      `${path}: expected sha256 ${expected.sha256}, got ${found}. Download or export the world again.`,
    );
  }
}
