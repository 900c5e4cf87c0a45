/**
 * Action logs: JSON lines, one object of named actions a tick, as `{"steer": -0.5, "gas": 1, "brake": 0}`. A line may also
 * hold `"prompt"`: what the world is told from that tick on. A first line `{"provenance": …}` may say what the actions
 * were for.
 */
import { nameAction, parseAction } from "../action/action";
import { ActionError, PromptError, RecordingError } from "../errors";
import type { ActionSpec } from "../model/manifest";
import { cleanPrompt, type Drive, promptWith, type Told } from "../model/prompt";
import { type Provenance, parseProvenance } from "../model/provenance";
import type { Action } from "../model/world";

/** One line per action, each ended by a newline. */
export function formatActionLog(
  specs: readonly ActionSpec[],
  actions: readonly Action[],
  provenance?: Provenance,
  told: readonly Told[] = [],
): string {
  const first = provenance ? `${JSON.stringify({ provenance })}\n` : "";
  const line = (action: Action, index: number) => {
    const prompt = promptWith(told, index + 1);
    return JSON.stringify({ ...nameAction(action, specs), ...(prompt === undefined ? {} : { prompt }) });
  };
  return first + actions.map((action, index) => `${line(action, index)}\n`).join("");
}

/** What the log's first line says; null where it is an action already. @throws RecordingError when the record is broken */
export function readLogProvenance(text: string): Provenance | null {
  const end = text.indexOf("\n");
  const line = text.slice(0, end < 0 ? text.length : end).trim();
  if (!isHeader(line)) return null;
  const json = /^\{\s*"provenance"\s*:(.*)\}$/s.exec(line)?.[1];
  return parseProvenance("line 1", json ?? "");
}

const isHeader = (line: string | undefined): boolean => /^\{\s*"provenance"\s*:/.test(line ?? "");

/** The inverse of `formatActionLog`. @throws RecordingError naming the line */
export function parseActionLog(specs: readonly ActionSpec[], text: string): Drive {
  const lines = text.split("\n").map((line) => line.trim()); // of \r and a byte order mark, too
  if (lines.at(-1) === "") lines.pop(); // after the last newline
  const first = isHeader(lines[0]) ? 1 : 0;
  const told: Told[] = [];
  const actions = lines.slice(first).map((line, index) => {
    try {
      const { action, prompt } = splitLine(JSON.parse(line), specs);
      if (prompt !== undefined) told.push({ tick: index + 1, text: cleanPrompt(prompt) });
      return parseAction(action, specs);
    } catch (error) {
      const known = error instanceof ActionError || error instanceof PromptError;
      if (!known && !(error instanceof SyntaxError)) throw error;
      const reason = known
        ? error.message
        : `expected a JSON object with ${specs.map((spec) => spec.name).join(", ")}, got ${shorten(line)}`;
      throw new RecordingError(`line ${first + index + 1}: ${reason}`, { cause: error });
    }
  });
  return { actions, told };
}

/** The prompt aside, unless this world's actions have one of that name. */
function splitLine(value: unknown, specs: readonly ActionSpec[]): { action: unknown; prompt?: unknown } {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isObject || !Object.hasOwn(value, "prompt") || specs.some(({ name }) => name === "prompt")) {
    return { action: value };
  }
  const { prompt, ...action } = value as { prompt?: unknown };
  return { action, prompt };
}

const shorten = (line: string): string =>
  line === "" ? "an empty line" : line.length > 60 ? `${line.slice(0, 60)}…` : line;
