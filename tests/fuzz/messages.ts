/** What clients of `worldloop serve` may say, in both its protocols, and what a fuzzer makes of it. */
import { changeValue, type Draw, ODD_VALUES, scrambled } from "./draws";

export type Protocol = "worldloop" | "openenv";

/** A WebSocket message: text may be none (UTF-8 broken), as a hostile client can send it. */
export interface Said {
  readonly kind: string;
  readonly contents: Uint8Array<ArrayBuffer>;
  readonly binary: boolean;
}

const PICTURE_BYTES = 16 * 16 * 3;
/** As `docs/serve.md` has it. */
const LIMIT = 1 << 19;

/** Something that a well-behaved client says in the course of things. */
function sound(protocol: Protocol, draw: Draw): Record<string, unknown> {
  const seed = draw(1000);
  if (protocol === "openenv") {
    return [
      { type: "reset", data: { seed, episode_id: "e", start: draw(2) } },
      { type: "step", data: { steer: draw(3) - 1, gas: draw(2), metadata: {} } },
      { type: "state" },
      { type: "close" },
    ][Math.min(draw(7) % 4, draw(8))] as Record<string, unknown>; // seldom the last
  }
  const index = draw(3);
  const frames = Buffer.alloc(2 * PICTURE_BYTES, draw(256)).toString("base64");
  return [
    { type: "open", world: "tiny-world", count: 1 + draw(4) },
    { type: "reset", worlds: [0, 1, 2].slice(0, 1 + index).map((index) => ({ index, seed, start: draw(2) })) },
    { type: "reset", worlds: [{ index, seed, context: { frames, actions: [0.5, 1] } }] },
    { type: "step", worlds: [{ index, action: [0.1, 1] }], samples: draw(3) },
  ][draw(4)] as Record<string, unknown>;
}

/** The first message of a client that wants to get somewhere. */
export const opening = (protocol: Protocol): Said =>
  text(
    "sound",
    protocol === "openenv" ? { type: "reset", data: { seed: 1 } } : { type: "open", world: "tiny-world", count: 3 },
  );

const MUTATIONS: Record<string, (protocol: Protocol, draw: Draw) => Omit<Said, "kind">> = {
  sound: (protocol, draw) => text("", sound(protocol, draw)),
  values(protocol, draw) {
    const message = sound(protocol, draw);
    for (let n = draw(3); n >= 0; n--) changeValue(message, draw);
    return text("", message);
  },
  bytes: (protocol, draw) => ({
    contents: scrambled(text("", sound(protocol, draw)).contents, draw),
    binary: false,
  }),
  numbers: (protocol, draw) => replaced(protocol, draw, NUMBERS[draw(NUMBERS.length)] as string),
  nesting(protocol, draw) {
    const depth = 10 ** (1 + draw(5));
    const [open, close] = draw(2) ? ["[", "]"] : ['{"a":', "}"];
    return replaced(protocol, draw, open.repeat(depth) + (draw(2) ? "0" : "null") + close.repeat(depth * draw(2)));
  },
  long(protocol, draw) {
    const size = [LIMIT - 200, LIMIT, LIMIT + 1, 4 * LIMIT, 100_000][draw(5)] as number;
    const filler = [
      () => `"${"x".repeat(size)}"`,
      () => `[${"0,".repeat(size / 2)}0]`,
      () => `{"${"k".repeat(size)}":1}`,
      () => `{${Array.from({ length: size / 12 }, (_, i) => `"k${i}":0`).join()}}`,
      () => `[${'{"index":0},'.repeat(size / 12)}0]`,
      () => `"${"\\u0000".repeat(size / 6)}"`,
    ][draw(6)] as () => string;
    return replaced(protocol, draw, filler());
  },
  binary: (protocol, draw) => ({
    contents: draw(2) ? scrambled(text("", sound(protocol, draw)).contents, draw) : random(draw(3000), draw),
    binary: true,
  }),
  names(protocol, draw) {
    const name = ["__proto__", "constructor", "toString", "length", "type", "worlds", "data", ""][draw(8)];
    return replaced(protocol, draw, JSON.stringify(ODD_VALUES[draw(ODD_VALUES.length)]), String(name));
  },
};

const NUMBERS = [
  ...["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-999", "-0", "00", "0x10", "1_000", "+1", ".5", "1."],
  ...["9007199254740993", "18446744073709551616", `1${"0".repeat(400)}`, "1e308", "3.5e38", "2147483648", "0.1e1"],
];

const KINDS = Object.keys(MUTATIONS);

/** One message of a random kind. */
export function utterance(protocol: Protocol, draw: Draw): Said {
  const kind = KINDS[draw(KINDS.length)] as string;
  const make = MUTATIONS[kind] as (typeof MUTATIONS)[string];
  return { kind, ...make(protocol, draw) };
}

/** A sound message with raw JSON in the place of one of its values, or beside them. */
function replaced(protocol: Protocol, draw: Draw, json: string, name?: string): Omit<Said, "kind"> {
  const whole = JSON.stringify(sound(protocol, draw));
  const places = [...whole.matchAll(/:(-?[0-9.]+|"[^"]*"|\[[^[\]]*\])/g)];
  const place = places[draw(places.length)];
  const at = (place?.index ?? 0) + 1;
  const put =
    name === undefined
      ? whole.slice(0, at) + json + whole.slice(at + (place?.[1]?.length ?? 0))
      : whole.replace("{", `{${JSON.stringify(name)}:${json},`);
  return { contents: bytesOf(put), binary: false };
}

const text = (kind: string, message: object): Said => ({
  kind,
  contents: bytesOf(JSON.stringify(message)),
  binary: false,
});
const bytesOf = (put: string): Uint8Array<ArrayBuffer> => new Uint8Array(new TextEncoder().encode(put));
const random = (length: number, draw: Draw) => Uint8Array.from({ length }, () => draw(256));
