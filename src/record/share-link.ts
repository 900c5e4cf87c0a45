/**
 * What a link holds: world, seed, start and, if wanted, every action so far and the package that they were taken in. It
 * travels in the hash, so it never reaches a server. Actions are exact float32, because a replay must repeat the frames
 * to the bit; deflate makes held keys cheap.
 */
import { checkAction } from "../action/action";
import { ActionError, quoted, RecordingError } from "../errors";
import type { ActionSpec } from "../model/manifest";
import { cleanPrompt, type Told } from "../model/prompt";
import type { Action, World } from "../model/world";
import { through } from "./through";

export interface Shared {
  readonly world?: string;
  readonly seed?: number;
  readonly start?: number;
  /** A world from elsewhere, in the place of `world`. */
  readonly foreign?: Foreign;
  /**
   * The version of the world that the replay was made with, as `packageMark` gives it; older links have none, and those of
   * a foreign world have its hash instead.
   */
  readonly package?: string;
  /** What computed the drive, as `engineMark` says it: on something else its pictures drift away. */
  readonly made?: string;
  /** Packed actions, as `packActions` gives them. */
  readonly replay?: string;
  /** What the world was told on the way, as `packTold` gives it. */
  readonly prompts?: string;
}

/** Where a world from elsewhere lies, and which one it is. */
export interface Foreign {
  /** https://…; or, of a world that came from a file or folder of a device, its name there. */
  readonly address: string;
  /** Of the package. Absent: whatever lies there. */
  readonly sha256?: string;
}

/** Characters of a packed replay: browsers take more, but mail and chat programs cut long links. */
const LONGEST_REPLAY = 16_000;
/** Ticks a link may unpack to (an hour at 25 a second), so that a small link can't fill the memory. */
export const MOST_TICKS = 90_000;

/** Stands for a package in a link: enough of its sha256 to tell the versions of a world apart. */
export const packageMark = (sha256: string): string => sha256.slice(0, 16);

/** What computes, as far as it decides what the pictures are. */
export const engineMark = ({ name, arithmetic }: World["backend"]): string =>
  arithmetic === undefined ? name : `${name}, ${arithmetic}`;

/** The hash of a link, "#" included. */
export function formatHash({ foreign, ...shared }: Shared): string {
  const whole = foreign ? { package: foreign.address, sha256: foreign.sha256, ...without(shared) } : shared;
  const entries = Object.entries(whole).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]]));
  return `#${new URLSearchParams(entries)}`;
}

const without = ({ world: _, package: __, ...shared }: Omit<Shared, "foreign">) => shared;

/** @throws RecordingError when a part of the hash isn't what its name says */
export function parseHash(hash: string): Shared {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  const integer = (name: string) => {
    const text = parts.get(name);
    if (text === null) return {};
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value)) {
      throw new RecordingError(
        `Link, ${name}: expected a whole number from 0 to ${Number.MAX_SAFE_INTEGER}, got ${quoted(text)}. Correct the address.`,
      );
    }
    return { [name]: value };
  };
  const text = (name: string) => (parts.get(name) ? { [name]: parts.get(name) } : {});
  const named = parsePackage(parts);
  const world = named.foreign ? {} : text("world"); // one from elsewhere takes its place, whatever else is named
  return {
    ...world,
    ...integer("seed"),
    ...integer("start"),
    ...named,
    ...text("made"),
    ...text("replay"),
    ...text("prompts"),
  };
}

/** `package` names a version of `world`, or in its place a world from elsewhere. @throws RecordingError */
function parsePackage(parts: URLSearchParams): Pick<Shared, "package" | "foreign"> {
  const [name, sha256] = [parts.get("package"), parts.get("sha256")?.toLowerCase()];
  if (!name) return {};
  if (sha256 === undefined && /^[0-9a-f]{16,64}$/i.test(name)) return { package: name.toLowerCase() };
  if (sha256 === undefined) return { foreign: { address: name } };
  if (/^[0-9a-f]{64}$/.test(sha256)) return { foreign: { address: name, sha256 } };
  throw new RecordingError(
    `Link, sha256: expected 64 digits of 0-9 and a-f, got "${sha256.slice(0, 80)}". Ask for the link again.`,
  );
}

/**
 * Actions as text. @param most characters; absent: of a link
 * @throws RecordingError when they need more, or are more than can be unpacked again
 */
export async function packActions(actions: readonly Action[], most = LONGEST_REPLAY): Promise<string> {
  if (actions.length > MOST_TICKS) {
    throw new RecordingError(
      `Link: the replay has ${actions.length} ticks, a link holds ${MOST_TICKS}. Save the action log instead.`,
    );
  }
  const values = Float32Array.from(actions.flatMap((action) => [...action])); // [T · A], little-endian everywhere
  const packed = await through(values.buffer, new CompressionStream("deflate-raw"), Number.POSITIVE_INFINITY);
  const text = btoa(Array.from(packed, (byte) => String.fromCharCode(byte)).join(""))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
  if (text.length > most) {
    throw new RecordingError(
      `Link: the replay needs ${text.length} characters, a link holds ${most}. Save the action log instead.`,
    );
  }
  return text;
}

/** Prompts as text. @throws RecordingError when they are more than a link should hold */
export function packTold(told: readonly Told[]): string | undefined {
  if (told.length === 0) return undefined;
  const packed = JSON.stringify(told.map(({ tick, text }) => [tick, text]));
  if (packed.length <= LONGEST_REPLAY) return packed;
  throw new RecordingError(
    `Link: the prompts need ${packed.length} characters, a link holds ${LONGEST_REPLAY}. Save the action log instead.`,
  );
}

/** @throws RecordingError when the text is no prompts in the order of their ticks */
export function unpackTold(
  text: string | undefined,
  { name, advice } = { name: "Link, prompts", advice: LINK.advice },
): Told[] {
  if (text === undefined) return [];
  try {
    const told = (JSON.parse(text) as [unknown, unknown][]).map(([tick, prompt]) => {
      if (!Number.isSafeInteger(tick) || (tick as number) < 1) throw new TypeError(`got ${quoted(tick)} for a tick`);
      return { tick: tick as number, text: cleanPrompt(prompt) };
    });
    if (told.some(({ tick }, i) => i > 0 && tick <= (told[i - 1]?.tick ?? 0)))
      throw new TypeError("ticks out of order");
    return told;
  } catch (error) {
    throw broken({ name, advice }, `expected prompts with their ticks, ${(error as Error).message}`);
  }
}

/** Where packed actions came from, for messages. */
export interface PackedPlace {
  readonly name: string;
  readonly advice: string;
}

const LINK: PackedPlace = { name: "Link, replay", advice: "Ask for the link again." };

/** float32 [T · A] of packed actions, whatever world they are of. @throws RecordingError when the text is damaged or too long */
export async function unpackValues(text: string, most: number, place = LINK): Promise<Float32Array<ArrayBuffer>> {
  try {
    const packed = Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (char) => char.charCodeAt(0));
    const bytes = await through(packed.buffer, new DecompressionStream("deflate-raw"), most * 4);
    return new Float32Array(bytes.buffer);
  } catch (error) {
    throw broken(place, `expected packed actions, got something else (${(error as Error).message})`);
  }
}

const broken = ({ name, advice }: PackedPlace, why: string) => new RecordingError(`${name}: ${why}. ${advice}`);

/** @throws RecordingError when the text is damaged, too long, or of other actions than the world's */
export async function unpackActions(text: string, table: readonly ActionSpec[], place = LINK): Promise<Action[]> {
  const size = table.length;
  const values = await unpackValues(text, MOST_TICKS * size, place);
  if (values.length % size !== 0) throw broken(place, `expected ${size} values a tick, got a broken number of them`);
  const actions = Array.from({ length: values.length / size }, (_, t) => values.slice(t * size, (t + 1) * size));
  try {
    for (const action of actions) checkAction(action, table);
  } catch (error) {
    if (!(error instanceof ActionError)) throw error;
    throw broken(place, error.message);
  }
  return actions;
}
