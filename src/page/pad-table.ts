/**
 * Which button of a pad works the page: one table, for the controls, the help and the settings. The world's controls
 * come first: a button that the world uses works the world.
 */
import type { PadButton } from "../action/pad-layout";
import type { ActionSpec } from "../model/manifest";

/** What the table needs to know of a command (`controls.ts`). */
export interface PadCommand {
  readonly id: string;
  /** Its button where nobody chose another. */
  readonly pad?: PadButton;
}

/** Command id → the button that a person chose for it, null for none. */
export type PadChoices = Readonly<Record<string, PadButton | null>>;

/** The button of each command that has one now. */
export function padTable<C extends PadCommand>(
  commands: readonly C[],
  actions: readonly ActionSpec[],
  choices: PadChoices,
): { readonly command: C; readonly button: PadButton }[] {
  const taken = new Set<string>(actions.map(({ gamepad }) => gamepad));
  const rows: { command: C; button: PadButton }[] = [];
  // A chosen button comes before another command's own one.
  const byChoice = [...commands].sort((a, b) => Number(b.id in choices) - Number(a.id in choices));
  for (const command of byChoice) {
    const button = command.id in choices ? choices[command.id] : command.pad;
    if (!button || taken.has(button)) continue;
    taken.add(button);
    rows.push({ command, button });
  }
  return commands.flatMap((command) => rows.filter((row) => row.command === command));
}
