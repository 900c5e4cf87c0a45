/**
 * Action logs: JSON lines, one object of named actions a tick, as `{"steer": -0.5, "gas": 1, "brake": 0}`. A first line
 * `{"provenance": …}` may say what the actions were for.
 */
import { nameAction, parseAction } from "../action/action";
import { ActionError, RecordingError } from "../errors";
import type { ActionSpec } from "../model/manifest";
import { type Provenance, parseProvenance } from "../model/provenance";
import type { Action } from "../model/world";

/** One line per action, each ended by a newline. */
export function formatActionLog(
  specs: readonly ActionSpec[],
  actions: readonly Action[],
  provenance?: Provenance,
): string {
  const first = provenance ? `${JSON.stringify({ provenance })}\n` : "";
  return first + actions.map((action) => `${JSON.stringify(nameAction(action, specs))}\n`).join("");
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
export function parseActionLog(specs: readonly ActionSpec[], text: string): Action[] {
  const lines = text.split("\n").map((line) => line.trim()); // of \r and a byte order mark, too
  if (lines.at(-1) === "") lines.pop(); // after the last newline
  const first = isHeader(lines[0]) ? 1 : 0;
  return lines.slice(first).map((line, index) => {
    try {
      return parseAction(JSON.parse(line), specs);
    } catch (error) {
      if (!(error instanceof ActionError || error instanceof SyntaxError)) throw error;
      const reason =
        error instanceof ActionError
          ? error.message
          : `expected a JSON object with ${specs.map((spec) => spec.name).join(", ")}, got ${shorten(line)}`;
      throw new RecordingError(`line ${first + index + 1}: ${reason}`, { cause: error });
    }
  });
}

const shorten = (line: string): string =>
  line === "" ? "an empty line" : line.length > 60 ? `${line.slice(0, 60)}…` : line;
