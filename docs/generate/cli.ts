/** The command line as a page, from commander's own description of it. */
import type { Argument, Command, Option } from "commander";
import { createProgram } from "../../src/cli/program";
import { cell, code } from "./markdown";

export function program(): Command {
  const silent = () => undefined;
  return createProgram({ out: silent, error: silent, signal: new AbortController().signal }, silent);
}

export function cliPage(): string {
  const { commands } = program();
  return `# Command line

From the repository's folder, \`npm run --silent worldloop -- COMMAND …\`. The exit status is 0 when all went well, 1 when
\`verify\` found a difference, 2 after bad input (one line on stderr says what was expected), 130 when it was interrupted.
\`--help\` after a command prints what stands here.

${commands.map(section).join("\n")}`;
}

function section(command: Command): string {
  const { registeredArguments, options } = command;
  const shown = options.filter((option) => !option.hidden);
  return `## ${command.name()}

${command.description()}

\`\`\`sh
npm run --silent worldloop -- ${[command.name(), ...registeredArguments.map(usage), ...required(shown)].join(" ")}${shown.some((o) => !o.mandatory) ? " [options]" : ""}
\`\`\`
${registeredArguments.some((argument) => argument.description) ? argumentTable(registeredArguments) : ""}${shown.length ? optionTable(shown) : ""}`;
}

const usage = (argument: Argument) => {
  const name = `${argument.name()}${argument.variadic ? "..." : ""}`;
  return argument.required ? `<${name}>` : `[${name}]`;
};
const required = (options: readonly Option[]) => options.filter((o) => o.mandatory).map((o) => o.flags);

const argumentTable = (list: readonly Argument[]) => `
| argument | |
|---|---|
${list.map((argument) => `| \`${argument.name()}\` | ${cell(argument.description)} |`).join("\n")}
`;

const optionTable = (list: readonly Option[]) => `
| option | | default |
|---|---|---|
${list.map((o) => `| ${code(o.flags)} | ${cell(o.description)} | ${o.mandatory ? "**required**" : defaultOf(o)} |`).join("\n")}
`;

const defaultOf = ({ defaultValue }: Option) => (defaultValue === undefined ? "" : code(String(defaultValue)));
