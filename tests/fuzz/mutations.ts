/**
 * Packages that went wrong, by a seeded stream of numbers: bytes of the zip, values of the manifest, bytes of a graph. A
 * changed file inside is vouched for again (size, sha256, CRC), or nothing behind the first check would ever be reached.
 */
import { createHash } from "node:crypto";
import { zipSync } from "fflate";
import { packZip } from "../../src/model/pack";
import { changeValue, type Draw, draws, scrambled } from "./draws";

type Files = ReadonlyMap<string, Uint8Array<ArrayBuffer>>;

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
  const draw = draws(seed, index);
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
function vouched(files: Files, path: string, contents: Uint8Array<ArrayBuffer>): Files {
  const manifest = JSON.parse(new TextDecoder().decode(files.get("world.json")));
  manifest.files[path] = { bytes: contents.length, sha256: createHash("sha256").update(contents).digest("hex") };
  return new Map([...files, ["world.json", encode(JSON.stringify(manifest))], [path, contents]]);
}

const bytesOf = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes);
const encode = (text: string) => bytesOf(new TextEncoder().encode(text));
const copyOf = (files: Files, path: string) => bytesOf(files.get(path) as Uint8Array);
const deflated = (files: Files) => bytesOf(zipSync(Object.fromEntries(files)));
