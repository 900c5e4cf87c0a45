/**
 * Action logs, saved sessions, rollouts, stories of shots and marked pictures that went wrong, by a seeded stream of numbers: their bytes,
 * their values, their lines, and shapes that no page would save.
 */
import { addPngTexts, readPng } from "../../src/record/png-text";
import { PNG_RECORD } from "../../src/record/screenshot";
import { formatSession, parseSession, type SavedSession } from "../../src/record/session-file";
import { changeValue, type Draw, draws, scrambled } from "./draws";

type Bytes = Uint8Array<ArrayBuffer>;

/** Sound files of the tiny world, by what they are. */
export interface Sound {
  /** With and without a record in its first line. */
  readonly log: string;
  readonly plainLog: string;
  readonly session: string;
  readonly rollout: string;
  /** shots.json. */
  readonly story: string;
  /** PNG. */
  readonly picture: Bytes;
}

export interface Mutated {
  readonly what: string;
  /** Name of a file of this kind. */
  readonly name: "x.jsonl" | "session.json" | "rollout.json" | "shots.json" | "x.png";
  readonly contents: Bytes;
}

type Make = (sound: Sound, draw: Draw) => readonly [Mutated["name"], string | Bytes];

const MUTATIONS: Record<string, Make> = {
  "log bytes": (sound, draw) => ["x.jsonl", scrambled(encode(eitherLog(sound, draw)), draw)],
  "log lines"(sound, draw) {
    const lines = eitherLog(sound, draw).split("\n");
    for (let n = draw(3); n >= 0; n--)
      lines.splice(draw(lines.length), draw(2), ODD_LINES[draw(ODD_LINES.length)] as string);
    return ["x.jsonl", lines.join(["\n", "\r\n", "\r", "\n\n"][Math.max(0, draw(7) - 3)])];
  },
  "log encodings"(sound, draw) {
    const text = eitherLog(sound, draw);
    const wide = Buffer.from(`\uFEFF${text}`, "utf16le");
    const made = [
      `\uFEFF${text}`,
      `\uFEFF\uFEFF${text}`,
      new Uint8Array(wide),
      new Uint8Array(wide.swap16()),
      ` \t${text}`,
      text.replaceAll('"', "'"),
      text.replace(/\n$/, ""),
      "",
      "\n",
      "\0".repeat(1 + draw(3000)),
    ];
    return ["x.jsonl", made[draw(made.length)] as string | Bytes];
  },
  "log numbers": (sound, draw) => ["x.jsonl", inNumbers(eitherLog(sound, draw), draw)],
  "log record"(sound, draw) {
    const [first = "", ...rest] = sound.log.split("\n");
    const header = JSON.parse(first);
    for (let n = draw(3); n >= 0; n--) changeValue(header.provenance, draw);
    return ["x.jsonl", [JSON.stringify(header), ...rest].join("\n")];
  },
  "session bytes": (sound, draw) => ["session.json", scrambled(encode(sound.session), draw)],
  "session values": (sound, draw) => ["session.json", inValues(sound.session, draw)],
  "session numbers": (sound, draw) => ["session.json", inNumbers(sound.session, draw)],
  "session shapes": (sound, draw) => ["session.json", formatSession(oddShape(parseSession(sound.session), draw))],
  "rollout bytes": (sound, draw) => ["rollout.json", scrambled(encode(sound.rollout), draw)],
  "rollout values": (sound, draw) => ["rollout.json", inValues(sound.rollout, draw)],
  "story bytes": (sound, draw) => ["shots.json", scrambled(encode(sound.story), draw)],
  "story values": (sound, draw) => ["shots.json", inValues(sound.story, draw)],
  "story numbers": (sound, draw) => ["shots.json", inNumbers(sound.story, draw)],
  "picture bytes": (sound, draw) => ["x.png", scrambled(sound.picture.slice(), draw)],
  "picture record"(sound, draw) {
    const record = readPng(sound.picture).texts.get(PNG_RECORD) ?? "";
    return ["x.png", addPngTexts(sound.picture, [[PNG_RECORD, inValues(record, draw)]])]; // before the true one
  },
};

export const KINDS = Object.keys(MUTATIONS);

/** Number `index` of the stream of these kinds. */
export function mutateFile(sound: Sound, seed: number, index: number, kinds = KINDS): Mutated {
  const kind = kinds[index % kinds.length] as string;
  const [name, contents] = (MUTATIONS[kind] as Make)(sound, draws(seed, index));
  return { what: `${index}: ${kind}`, name, contents: typeof contents === "string" ? encode(contents) : contents };
}

const eitherLog = (sound: Sound, draw: Draw) => (draw(2) ? sound.log : sound.plainLog);

const ODD_LINES = [
  ...["", " ", "null", "[]", "{}", "0", '"', "{", "}", "\uFEFF", "\u2028", "// a comment", '{"steer":0,"gas":0},'],
  ...['{"steer":0}', '{"steer":0,"gas":0,"brake":0}', '{"steer":true,"gas":0}', '{"steer":"0","gas":0}', "[0,0]"],
  ...['{"steer":0,"steer":1,"gas":0}', '{"gas":0,"steer":0}', '{"__proto__":0,"steer":0,"gas":0}', "{'steer':0}"],
  ...['{"provenance":null}', '{"provenance":{}}', '{ "provenance" : {"schema":2} }', '{"provenance":'],
  ...['{"steer":null,"gas":0}', '{"steer":[0],"gas":0}', '{"steer":{"a":0},"gas":0}', '{"STEER":0,"GAS":0}'],
  `{"steer":${"[".repeat(200_000)}${"]".repeat(200_000)},"gas":0}`,
  `${"[".repeat(200_000)}`,
  `{"${"k".repeat(200_000)}":0}`,
  `{"steer":0,"gas":0}${" ".repeat(100_000)}`,
];
const NUMBERS = [
  ...["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "1e-400", "-0", "00", "0x1", "1_0", "+1", ".5", "1.", "1e"],
  ...["9007199254740993", `1${"0".repeat(400)}`, "1.0000000001", "-1.00000001", "1.0000001", "true", "null", '"1"'],
  ...[`0.${"0".repeat(5000)}1`, "[[[[]]]]", `${"[".repeat(50_000)}${"]".repeat(50_000)}`],
];

/** Other JSON, or nearly JSON, in the place of some of its numbers. */
/** One to four of its values changed. */
function inValues(text: string, draw: Draw): string {
  const file = JSON.parse(text);
  for (let n = draw(3); n >= 0; n--) changeValue(file, draw);
  return JSON.stringify(file);
}

function inNumbers(text: string, draw: Draw): string {
  let made = text;
  for (let n = draw(3); n >= 0; n--) {
    const places = [...made.matchAll(/:(-?[0-9][0-9.e+-]*)/g)];
    const place = places[draw(Math.max(1, places.length))];
    if (!place) break;
    const at = place.index + 1;
    made = made.slice(0, at) + NUMBERS[draw(NUMBERS.length)] + made.slice(at + (place[1]?.length ?? 0));
  }
  return made;
}

/** A session whose every field is of its type, of a shape that nobody plays. */
function oddShape(session: SavedSession, draw: Draw): SavedSession {
  const width = session.actionNames.length;
  const rest = new Float32Array(width);
  const chain = (length: number, parent: (i: number) => number) =>
    Array.from({ length }, (_, i) => ({
      name: draw(2) ? "x" : `Branch ${i + 1}`,
      parting: i === 0 ? null : { branch: parent(i), tick: parent(i) + 1 },
      actions: rest,
    }));
  const many = 10 ** (1 + draw(4));
  const changes: (() => Partial<SavedSession>)[] = [
    () => recordOf(chain(many, (i) => i - 1)), // each parts from the one before
    () => recordOf(chain(many, () => 0)), // all part from the first
    () => recordOf([{ name: "x", parting: null, actions: new Float32Array(width * 10 * many) }]),
    () => recordOf([{ name: "x", parting: null, actions: new Float32Array(0) }]),
    () => recordOf([{ name: "x", parting: null, actions: rest.map(() => NaN_S[draw(NaN_S.length)] as number) }]),
    () => ({ actionNames: [session.actionNames.join(", ")] }),
    () => ({ actionNames: session.actionNames.flatMap((name) => name.split("e")) }),
    () => ({ ...recordOf([{ name: "x", parting: null, actions: new Float32Array(6) }]), actionNames: ["steer, gas"] }),
    () => ({ actionNames: Array.from({ length: many }, (_, i) => `a${i}`) }),
    () => ({ seed: 2 ** 53 - 1, start: 2 ** 53 - 1 }),
    () => ({ world: ["", "../../etc", "/", "a\0b", "x".repeat(1e6), "tiny-world\n", "."][draw(7)] as string }),
    () => ({ engine: { name: ["ort", "own", "quantum", ""][draw(4)] as string, precision: "int8" } }),
    () => ({ frameSha256: "0".repeat(64) }),
    () => ({ record: { ...session.record, at: { branch: draw(4), tick: 2 ** (10 * draw(6)) } } }),
  ];
  const recordOf = (branches: SavedSession["record"]["branches"]) => ({
    record: { width, branches, at: { branch: branches.length - 1, tick: draw(2) } },
  });
  return { ...session, ...(changes[draw(changes.length)] as () => Partial<SavedSession>)() };
}

const NaN_S = [Number.NaN, Number.POSITIVE_INFINITY, 3e38, -0, 1e-45, 1.0000001];
const encode = (text: string): Bytes => new Uint8Array(new TextEncoder().encode(text));
