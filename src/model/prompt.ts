/**
 * What a world is told in words, as the numbers that its network takes; bit for bit that of `worldloop.prompt` in Python.
 *
 * A package that takes prompts carries the few thousand words that matter to it, each with a vector (`words.json`). A
 * prompt is the sum of its different words' vectors by the root of their count. Order, commas and small words (`fillers`)
 * say nothing; words that the package doesn't know are reported, never dropped silently.
 */
import { z } from "zod/mini";
import { ManifestError, PromptError } from "../errors";
import type { Action } from "./world";

/** A prompt and the tick that the first step under it makes; it holds until the next one. */
export interface Told {
  readonly tick: number;
  readonly text: string;
}

/** Characters of a prompt. */
export const LONGEST_PROMPT = 300;
const MOST_WORDS = 20_000;
const MOST_WIDTH = 1024;

export interface Prompt {
  /** As it is recorded: printable ASCII, no spaces around it. */
  readonly text: string;
  /** float32 [P]. */
  readonly vector: Float32Array;
  /** Its words that mean something here, in order. */
  readonly known: readonly string[];
  /** Those that don't, small words left out. */
  readonly unknown: readonly string[];
}

export interface Words {
  /** Those that the world was told in training come first. */
  readonly all: readonly string[];
  /** So many. */
  readonly own: number;
  /** Of a text that is still being typed; nothing is refused. */
  unknown(text: string): readonly string[];
  /** @throws PromptError for what can't be a prompt, and where no word of it means anything */
  encode(text: string): Prompt;
}

const word = z.string().check(z.regex(/^[a-z0-9]+$/));
const wordsSchema = z.object({
  words: z.array(word).check(z.minLength(1), z.maxLength(MOST_WORDS)),
  own: z.int().check(z.nonnegative()),
  fillers: z.array(word),
  width: z.int().check(z.positive(), z.lte(MOST_WIDTH)),
  scale: z.number().check(z.positive()),
  vectors: z.string(),
});

/** @param width numbers a word, as the manifest says. @throws ManifestError */
export function parseWords(contents: Uint8Array, width: number): Words {
  const { words, own, fillers, scale, vectors } = readWords(contents, width);
  const index = new Map(words.map((text, number) => [text, number]));
  const small = new Set(fillers);
  const meaningless = (tokens: readonly string[]) => tokens.filter((token) => !index.has(token) && !small.has(token));
  return {
    all: words,
    own,
    unknown: (text) => meaningless(tokensOf(text)),
    encode(given) {
      const text = cleanPrompt(given);
      const tokens = tokensOf(text);
      const known = tokens.filter((token) => index.has(token));
      if (known.length === 0) {
        const example = words.slice(0, 3).join(", ");
        throw new PromptError(`prompt: expected words that mean something here, such as ${example}; got "${text}"`);
      }
      const step = scale / Math.sqrt(known.length);
      const vector = Float32Array.from({ length: width }, (_, i) => {
        return known.reduce((sum, token) => sum + (vectors[(index.get(token) ?? 0) * width + i] ?? 0), 0) * step;
      });
      return { text, vector, known, unknown: meaningless(tokens) };
    },
  };
}

/** The text as it is recorded. @throws PromptError for what can't be a prompt in any world */
export function cleanPrompt(given: unknown): string {
  if (typeof given !== "string") throw new PromptError(`prompt: expected a text, got ${typeof given}`);
  const length = given.length > LONGEST_PROMPT ? [...given].length : given.length;
  if (length > LONGEST_PROMPT) {
    throw new PromptError(`prompt: expected at most ${LONGEST_PROMPT} characters, got ${length}`);
  }
  const text = given
    .replace(/[‘’]/g, "'")
    .replace(/[“”]/g, '"')
    .replace(/[–—]/g, "-")
    .replace(/^ +| +$/g, "");
  const strange = /[^ -~]/u.exec(text)?.[0].codePointAt(0);
  if (strange !== undefined) {
    const code = strange.toString(16).toUpperCase().padStart(4, "0");
    throw new PromptError(`prompt: expected English words in Latin letters, got U+${code}`);
  }
  if (tokensOf(text).length === 0) throw new PromptError('prompt: expected words, such as "night, snow", got none');
  return text;
}

/** The different words of a clean text, in order, in small letters. */
const tokensOf = (text: string): string[] => [
  ...new Set(
    text
      .toLowerCase()
      .replaceAll("'", "")
      .match(/[a-z0-9]+/g) ?? [],
  ),
];

function readWords(contents: Uint8Array, width: number) {
  const wrong = (got: string) =>
    new ManifestError(`words: expected different words with ${width} numbers each, got ${got}.`);
  let vectors: Int8Array;
  let data: z.infer<typeof wordsSchema>;
  try {
    data = wordsSchema.parse(JSON.parse(new TextDecoder().decode(contents)));
    vectors = Int8Array.from(atob(data.vectors), (char) => char.charCodeAt(0));
  } catch (error) {
    throw new ManifestError("words: expected words and vectors as JSON, got something else.", { cause: error });
  }
  const { words, own } = data;
  if (new Set(words).size < words.length || own > words.length) throw wrong("one twice, or too few");
  if (data.width !== width || vectors.length !== words.length * width) throw wrong(`${vectors.length} numbers`);
  return { ...data, vectors };
}

/** Actions of consecutive ticks from the first on, and what the world was told on the way. */
export interface Drive {
  readonly actions: Action[];
  readonly told: Told[];
}

/** What is told with the very step that makes a tick. */
export const promptWith = (told: readonly Told[], tick: number): string | undefined =>
  told.findLast((each) => each.tick === tick)?.text;

/** What is in force at the step that makes a tick: the last prompt up to it. */
export const toldAt = (told: readonly Told[], tick: number): string | undefined =>
  told.findLast((each) => each.tick <= tick)?.text;
