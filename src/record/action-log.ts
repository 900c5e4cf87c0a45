/** Action logs: JSON lines, one object of named actions a tick, as `{"steer": -0.5, "gas": 1, "brake": 0}`. */
import { nameAction, parseAction } from "../action/action";
import { ActionError, RecordingError } from "../errors";
import type { ActionSpec } from "../model/manifest";
import type { Action } from "../model/world";

/** One line per action, each ended by a newline. */
export function formatActionLog(specs: readonly ActionSpec[], actions: readonly Action[]): string {
  return actions.map((action) => `${JSON.stringify(nameAction(action, specs))}\n`).join("");
}

/** The inverse of `formatActionLog`. @throws RecordingError naming the line */
export function parseActionLog(specs: readonly ActionSpec[], text: string): Action[] {
  const lines = text.split("\n").map((line) => line.trim()); // of \r and a byte order mark, too
  if (lines.at(-1) === "") lines.pop(); // after the last newline
  return lines.map((line, index) => {
    try {
      return parseAction(JSON.parse(line), specs);
    } catch (error) {
      if (!(error instanceof ActionError || error instanceof SyntaxError)) throw error;
      const reason =
        error instanceof ActionError
          ? error.message
          : `expected a JSON object with ${specs.map((spec) => spec.name).join(", ")}, got ${shorten(line)}`;
      throw new RecordingError(`line ${index + 1}: ${reason}`, { cause: error });
    }
  });
}

const shorten = (line: string): string =>
  line === "" ? "an empty line" : line.length > 60 ? `${line.slice(0, 60)}…` : line;
