/**
 * What becomes of one address of the page: read, or refused by a named error whose ways out lead elsewhere. What is read
 * can be written and read again, and its drive is of the world's actions or none.
 */
import { carActions } from "../../src/action/car.fixture";
import { WorldloopError } from "../../src/errors";
import { checkReset } from "../../src/model/beginning";
import { FAKE_MANIFEST } from "../../src/model/fake-world";
import { checkAddress } from "../../src/model/package-address";
import { readAddress, worldIn } from "../../src/page/address";
import { waysOut } from "../../src/page/remedies";
import { findSource } from "../../src/page/world-source";
import { formatHash, packActions, parseHash, type Shared, unpackActions } from "../../src/record/share-link";
import { type Draw, draws } from "./draws";

const SITE = "https://example.org/app/";
const OPTIONS = ["engine", "precision", "backend", "threads"];
const PARTS = ["world", "seed", "start", "package", "sha256", "made", "replay"];
const SOUND: Readonly<Record<string, readonly string[]>> = {
  engine: ["own", "ort", "auto"],
  precision: ["float32", "int8"],
  backend: ["wasm", "webgpu"],
  threads: ["1", "2", "99"],
  world: ["pong", "fake", "car-racing"],
  seed: ["0", "7", "9007199254740991"],
  start: ["0", "1"],
  package: ["0123456789abcdef", "https://example.org/w.zip", "w.zip", "http://localhost:1/w/"],
  made: ["own, SIMD, int8", "wasm"],
  sha256: ["ab".repeat(32), "AB".repeat(32)],
};
const ODD = [
  ...["", " ", "\0", "\n", "NaN", "-1", "1.5", "1e3", "0x10", " 7 ", "+7", "٧", "9007199254740992", "Infinity", "-0"],
  ...[
    "null",
    "undefined",
    "[object Object]",
    "__proto__",
    "constructor",
    "toString",
    "../..",
    "/etc/passwd",
    "%",
    "%zz",
  ],
  ...["javascript:alert(1)", "data:text/html,x", "file:///etc/passwd", "http://example.org/w.zip", "https://", "//x/y"],
  ...["https://a:b@example.org/w.zip", "https://[::1", "http://127.0.0.1.evil.example/w.zip", "blob:https://x/y"],
  ...["<script>alert(1)</script>", "\u202egnp", "é", "😀", "\ud800", "a".repeat(100_000), "&seed=1", "#world=pong"],
  ...["ab".repeat(31), `${"ab".repeat(31)}zz`, "own,ort", "OWN", "wasm ", "00", "100", "01"],
];

/** Number `index` of the stream. @param replay a sound drive, packed */
export function mutateAddress(seed: number, index: number, replay: string): { search: string; hash: string } {
  const draw = draws(seed, index);
  return { search: draw(4) ? "" : partsOf(OPTIONS, "?", draw, replay), hash: partsOf(PARTS, "#", draw, replay) };
}

function partsOf(names: readonly string[], sign: string, draw: Draw, replay: string): string {
  const parts = names.flatMap((name) => Array.from({ length: [0, 1, 1, 2][draw(4)] as number }, () => name));
  const text = parts
    .map((name) => {
      const value = drawValue(name, draw, replay);
      return `${draw(30) ? name : value}=${draw(3) ? encodeURIComponent(value.replace(/\p{Cs}/gu, "")) : value}`;
    })
    .join(draw(20) ? "&" : (["&&", "?", "#", ";", "="][draw(5)] as string));
  return text === "" && draw(2) ? "" : sign + text;
}

function drawValue(name: string, draw: Draw, replay: string): string {
  if (name === "replay" && draw(4)) return draw(2) ? replay : damaged(replay, draw);
  const sound = SOUND[name] ?? [];
  return (draw(3) && sound.length > 0 ? sound[draw(sound.length)] : ODD[draw(ODD.length)]) as string;
}

/** Letters swapped, cut off, doubled. */
function damaged(text: string, draw: Draw): string {
  const at = draw(text.length);
  const letter = "AZaz09-_+/=%* "[draw(14)] as string;
  return [text.slice(0, at), text + text, text.slice(at), text.slice(0, at) + letter + text.slice(at + 1)][
    draw(4)
  ] as string;
}

/** @returns the error's name, or what was read. @throws a fault of ours */
export async function tryAddress(location: { search: string; hash: string }): Promise<string> {
  worldIn(location.hash); // whatever it holds
  try {
    const { engine: _, precision: __, backend: ___, threads, ...shared } = readAddress(location);
    if (threads !== undefined && !(threads >= 1 && threads <= 99)) throw new Error(`${threads} threads`);
    checkSame(shared, parseHash(formatHash(shared)));
    checkReset({ seed: shared.seed ?? 1, start: shared.start ?? 0 }, FAKE_MANIFEST);
    if (shared.foreign && /^[a-z][a-z0-9+.-]*:/i.test(shared.foreign.address)) {
      const { protocol, hostname, username } = checkAddress(shared.foreign.address);
      if (username || (protocol !== "https:" && !/^(localhost|127\.0\.0\.1|\[::1\])$/.test(hostname)))
        throw new Error(`${shared.foreign.address} may be asked`);
    }
    if (!shared.foreign) await findSource(shared, ["pong", "fake", "car-racing"], () => undefined);
    if (shared.replay === undefined) return "read";
    const actions = await unpackActions(shared.replay, carActions);
    if ((await unpackActions(await packActions(actions), carActions)).length !== actions.length)
      throw new Error("another drive comes back");
    return "read, with a drive";
  } catch (error) {
    if (!(error instanceof WorldloopError)) throw error;
    checkWays(error, new URL(SITE + location.search + location.hash).href);
    return error.name;
  }
}

function checkSame(a: Shared, b: Shared): void {
  const sorted = (shared: Shared) => JSON.stringify(Object.entries(shared).sort());
  if (sorted(a) !== sorted(b)) throw new Error(`${sorted(a)} comes back as ${sorted(b)}`);
}

/** What is offered is of this page, and doesn't fail in the same way at once. */
function checkWays(error: Error, href: string): void {
  for (const { href: way } of waysOut(error, href)) {
    const url = new URL(way);
    if (!url.href.startsWith(SITE)) throw new Error(`${error.name} leads to ${way}`);
    if (error.name !== "RecordingError" && error.name !== "BackendError") continue;
    try {
      readAddress(url);
    } catch (again) {
      if ((again as Error).message === error.message) throw new Error(`${error.message} leads to itself: ${way}`);
    }
  }
}
