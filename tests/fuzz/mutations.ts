/**
 * Packages that went wrong, by a seeded stream of numbers: bytes of the zip, values of the manifest, bytes of a graph. A
 * changed file inside is vouched for again (size, sha256, CRC), or nothing behind the first check would ever be reached.
 */
import { createHash } from "node:crypto";
import { zipSync } from "fflate";
import { packZip } from "../../src/model/pack";
import { philox } from "../../src/model/rng";

type Files = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;
/** A whole number from 0 to below `n`. */
type Draw = (n: number) => number;

const KINDS = [
  "zip bytes",
  "zip records",
  "zip names",
  "manifest values",
  "manifest text",
  "graph bytes",
  "graph cut",
  "start bytes",
] as const;

/** Number `index` of the stream: what was done, and the zip that came of it. */
export function mutate(
  files: Files,
  seed: number,
  index: number,
): { readonly what: string; readonly zip: Uint8Array<ArrayBuffer> } {
  const draw = numbers(seed, index);
  const kind = KINDS[index % KINDS.length] as (typeof KINDS)[number];
  return { what: `${index}: ${kind}`, zip: MUTATIONS[kind](files, draw) };
}

const MUTATIONS: Record<(typeof KINDS)[number], (files: Files, draw: Draw) => Uint8Array<ArrayBuffer>> = {
  "zip bytes": (files, draw) => scrambled(draw(2) ? packZip(files) : deflated(files), draw),
  "zip records": (files, draw) => {
    const zip = draw(2) ? packZip(files) : deflated(files);
    const view = new DataView(zip.buffer);
    const records = [...zip.keys()].filter((at) => zip[at] === 0x50 && zip[at + 1] === 0x4b && at + 46 < zip.length);
    for (let n = draw(3) + 1; n > 0; n--) {
      const at = (records[records.length - 1 - draw(Math.min(records.length, 24))] as number) + 4 + 2 * draw(20);
      view.setUint16(at, ODD_WORDS[draw(ODD_WORDS.length)] ?? draw(0x10000), true);
    }
    return zip;
  },
  "zip names": (files, draw) => {
    const entries: [string, Uint8Array][] = [...files];
    for (let n = draw(3) + 1; n > 0; n--) {
      const entry = entries[draw(entries.length)] as [string, Uint8Array];
      entry[0] = (ODD_NAMES[draw(ODD_NAMES.length)] as string) + (draw(2) ? entry[0] : "");
    }
    return bytesOf(zipSync(Object.fromEntries(entries)));
  },
  "manifest values": (files, draw) => {
    const manifest = JSON.parse(new TextDecoder().decode(files.get("world.json")));
    for (let n = draw(2) + 1; n > 0; n--) changeValue(manifest, draw);
    return packZip(new Map([...files, ["world.json", encode(JSON.stringify(manifest))]]));
  },
  "manifest text": (files, draw) =>
    packZip(new Map([...files, ["world.json", scrambled(copyOf(files, "world.json"), draw)]])),
  "graph bytes": (files, draw) => {
    const path = draw(4) ? "tick.onnx" : "encoder.onnx";
    return packZip(vouched(files, path, scrambled(copyOf(files, path), draw)));
  },
  "graph cut": (files, draw) => {
    const whole = copyOf(files, "tick.onnx");
    const [a, b] = [draw(whole.length), draw(whole.length)];
    return packZip(vouched(files, "tick.onnx", Uint8Array.of(...whole.subarray(0, a), ...whole.subarray(b))));
  },
  "start bytes": (files, draw) => {
    const path = ["starts/0.latents", "starts/0.actions", "starts/0.picture"][draw(3)] as string;
    return packZip(vouched(files, path, scrambled(copyOf(files, path), draw)));
  },
};

const ODD_WORDS = [0, 1, 0xffff, 0x7fff, 0x8000, 8, 14];
const ODD_NAMES = [
  "../",
  "/",
  "a/",
  "C:",
  "..\\",
  "\0",
  "ü",
  "\u202e",
  "x".repeat(300),
  "world.json",
  "TICK.onnx",
  "./",
  "//",
  "a/b/c/",
  " ",
  "",
];
const ODD_VALUES: readonly unknown[] = [
  ...[null, true, "", "../x", "/etc/passwd", "a".repeat(5000), "\u001b[2J", "<script>alert(1)</script>", [], {}, [[]]],
  ...[0, -1, 1, 0.5, 1e308, -1e308, 2 ** 31, 2 ** 53, 1e-320, 65_536, 4096, "NaN", "__proto__", "constructor"],
];

/** Replaces, removes, doubles or adds something somewhere in it. */
function changeValue(root: Record<string, unknown>, draw: Draw): void {
  let parent: Record<string, unknown> = root;
  let key = "";
  for (let depth = 0; depth < 6; depth++) {
    const keys = Object.keys(parent);
    if (keys.length === 0) break;
    key = keys[draw(keys.length)] as string;
    const child = parent[key];
    if (typeof child !== "object" || child === null || (depth > 0 && draw(4) === 0)) break;
    if (depth < 5) parent = child as Record<string, unknown>;
  }
  const odd = ODD_VALUES[draw(ODD_VALUES.length)];
  const way = draw(5);
  if (way === 0) delete parent[key];
  else if (way === 1 && Array.isArray(parent)) parent.push(...parent, odd);
  else if (way === 2) parent[String(odd).slice(0, 40)] = parent[key];
  else if (way === 3 && typeof parent[key] === "number")
    parent[key] = (parent[key] as number) * ([2, -1, 1e9, 0.1][draw(4)] as number);
  else parent[key] = odd;
}

/** Flips, overwrites, cuts, doubles or inserts, once or several times. */
function scrambled(bytes: Uint8Array<ArrayBuffer>, draw: Draw): Uint8Array<ArrayBuffer> {
  let all = bytes;
  for (let n = 1 + draw(4) ** 2; n > 0 && all.length > 0; n--) {
    const at = draw(all.length);
    const length = 1 + draw(Math.min(64, all.length - at));
    const way = draw(6);
    if (way === 0) all[at] = (all[at] as number) ^ (1 << draw(8));
    else if (way === 1) all[at] = [0, 0xff, 0x7f, 0x80][draw(4)] as number;
    else if (way === 2) for (let i = 0; i < length; i++) all[at + i] = draw(256);
    else if (way === 3) all = joined(all.subarray(0, at), all.subarray(at + length));
    else if (way === 4) all = joined(all.subarray(0, at + length), all.subarray(at));
    else if (draw(8) === 0) all = all.slice(0, at);
    else
      all = joined(
        all.subarray(0, at),
        Uint8Array.from({ length }, () => draw(256)),
        all.subarray(at),
      );
  }
  return all;
}

function vouched(files: Files, path: string, contents: Uint8Array<ArrayBuffer>): Files {
  const manifest = JSON.parse(new TextDecoder().decode(files.get("world.json")));
  manifest.files[path] = { bytes: contents.length, sha256: createHash("sha256").update(contents).digest("hex") };
  return new Map([...files, ["world.json", encode(JSON.stringify(manifest))], [path, contents]]);
}

/** Draws of a stream of its own for each index: any one can be made again alone. */
function numbers(seed: number, index: number): Draw {
  let block = 0;
  let words: ArrayLike<number> = [];
  let next = 0;
  return (n) => {
    if (next === words.length) {
      words = philox([block++, index, 3, 0], [seed, 0]);
      next = 0;
    }
    return (words[next++] as number) % n;
  };
}

const bytesOf = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes);
const encode = (text: string) => bytesOf(new TextEncoder().encode(text));
const copyOf = (files: Files, path: string) => bytesOf(files.get(path) as Uint8Array);
const deflated = (files: Files) => bytesOf(zipSync(Object.fromEntries(files)));

function joined(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
