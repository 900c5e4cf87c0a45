/**
 * The commands, their options, and what becomes of errors. Exit 0: done; 1: `verify` found a difference; 2: bad input,
 * told in one line; 130: interrupted. Anything else is a fault of ours and is thrown.
 */
import { Command, CommanderError } from "commander";
import { AbortedError, WorldloopError } from "../errors";
import { type RolloutOptions, rollout } from "./rollout";
import { type VerifyOptions, verify } from "./verify";

export interface Terminal {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  /** Ends a command between two ticks. */
  readonly signal: AbortSignal;
}

/** @param parameters as typed after the program's name. @returns the exit code */
export async function run(parameters: readonly string[], { out, error, signal }: Terminal): Promise<number> {
  let code = 0;
  const program = new Command("worldloop")
    .description("Play the worlds without a page.")
    .exitOverride()
    .configureOutput({
      writeOut: out,
      writeErr: error,
      outputError: (text, write) => write(`${text.trim().replaceAll("\n", " ")}\n`),
    });

  program
    .command("rollout")
    .description("Drive a world by a file of actions; write its frames and their hashes.")
    .requiredOption("--world <name>", "a world of assets/worlds, or the folder of a package")
    .option("--seed <integer>", "seed of all random numbers", "0")
    .option("--start <integer>", "which start of the world (default: 0)")
    .option("--context <frames.npy>", "begin after these pictures, uint8 [n, H, W, 3], instead of at a start")
    .option("--context-actions <actions.jsonl>", "the n - 1 actions between the pictures")
    .requiredOption("--actions <actions.jsonl>", "one JSON object of named actions per line and tick")
    .requiredOption("--out <folder>", "gets frames.npy and rollout.json")
    .option("--force", "write into a folder that holds something already")
    .option("--threads <integer>", "threads of onnxruntime", "2")
    .action(async (options: RolloutOptions) => {
      out(`${await rollout(options, signal)}\n`);
    });

  program
    .command("verify")
    .description("Play a rollout again and compare every frame; exit 1 and the first differing tick otherwise.")
    .argument("<rollout.json>")
    .option("--world <name>", "a world or folder, when the package has moved")
    .option("--threads <integer>", "threads of onnxruntime (default: as recorded)")
    .action(async (path: string, options: VerifyOptions) => {
      const { same, line } = await verify(path, options, signal);
      out(`${line}\n`);
      code = same ? 0 : 1;
    });

  try {
    await program.parseAsync(parameters, { from: "user" });
    return code;
  } catch (problem) {
    if (problem instanceof CommanderError) return problem.exitCode === 0 ? 0 : 2; // it has said why already
    if (problem instanceof AbortedError) return 130;
    if (!(problem instanceof WorldloopError)) throw problem;
    error(`error: ${problem.message.replaceAll("\n", " ")}\n`);
    return 2;
  }
}
