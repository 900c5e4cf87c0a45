/**
 * The commands, their options, and what becomes of errors. Exit 0: done; 1: `verify` found a difference; 2: bad input,
 * told in one line; 130: interrupted. Anything else is a fault of ours and is thrown.
 */
import { Command, CommanderError } from "commander";
import { AbortedError, WorldloopError } from "../errors";
import { type AddOptions, add } from "./add";
import { type CollectOptions, runCollect } from "./collect";
import { type DirectOptions, direct } from "./direct";
import { type ExportOptions, exportSession } from "./export-session";
import { inspect } from "./inspect";
import { type MergeOptions, merge } from "./merge";
import { type PackOptions, pack } from "./pack";
import { plain } from "./plain";
import { createProgressBar } from "./progress-bar";
import type { RestyleOptions } from "./restyle";
import { type RolloutOptions, rollout } from "./rollout";
import { type ServeOptions, serve } from "./serve";
import { type SignOptions, sign } from "./sign";
import { type VerifyOptions, verify } from "./verify";
import { runWorker, type WorkerOptions } from "./worker";

export interface Terminal {
  readonly out: (text: string) => void;
  readonly error: (text: string) => void;
  /** Ends a command between two ticks. */
  readonly signal: AbortSignal;
}

/** The commands, for `run` and for whoever describes them. @param exit told the exit code where it isn't 0 */
export function createProgram({ out, error, signal }: Terminal, exit: (code: number) => void): Command {
  const program = new Command("worldloop")
    .description("Play the worlds without a page.")
    .exitOverride()
    .configureOutput({
      writeOut: out,
      writeErr: error,
      outputError: (text, write) => write(`${text.trim().replaceAll("\n", " ")}\n`),
    });

  program.hook("preAction", (_, command) => refuseEmpty(command));

  program
    .command("rollout")
    .description(
      "Drive a world by a file of actions, or by a session saved in the page; write its frames and their hashes.",
    )
    .option("--world <name>", "a world of assets/worlds, or the folder of a package (default: the session's)")
    .option("--session <file>", "a session saved in the page: seed, start and actions are its own")
    .option("--branch <name>", "which branch of the session, by name or number (default: the one it was left in)")
    .option("--seed <integer>", "seed of all random numbers (default: 0)")
    .option("--start <integer>", "which start of the world (default: 0)")
    .option("--context <frames.npy>", "begin after these pictures, uint8 [n, H, W, 3], instead of at a start")
    .option("--context-actions <actions.jsonl>", "the n - 1 actions between the pictures")
    .option("--actions <actions.jsonl>", "one JSON object of named actions per line and tick")
    .option("--prompt <words>", "what the world is told, from the first tick on; a line of actions may hold another")
    .requiredOption("--out <folder>", "gets frames.npy and rollout.json")
    .option("--force", "write into a folder that holds something already")
    .option(
      "--engine <engine>",
      "what runs the network: ort (onnxruntime), own, or auto (default: ort, or the session's)",
    )
    .option("--precision <precision>", "of our own engine: float32 or int8 (default: float32, or the session's)")
    .option("--threads <integer>", "threads of the engine", "2")
    .action(async (options: RolloutOptions) => {
      out(`${await rollout(options, signal)}\n`);
    });

  const progressOf = (what: string) =>
    createProgressBar(what, { write: error, terminal: process.stderr.isTTY, now: () => performance.now() });

  program
    .command("direct")
    .description("Play a story of shots; write it as an mp4 with captions, and as a session for the page.")
    .requiredOption("--world <name>", "a world of assets/worlds, or the folder of a package")
    .requiredOption("--shots <shots.json>", "how long each shot is, where it begins, what is told, who acts")
    .requiredOption("--out <story.mp4>", "gets the video; story.session.json beside it the session")
    .option("--force", "write over files that are there")
    .option("--engine <engine>", "what runs the network: own, as the page does, ort (onnxruntime) or auto", "own")
    .option("--precision <precision>", "of our own engine: float32 or int8", "float32")
    .option("--threads <integer>", "threads of the engine", "2")
    .action(async (options: DirectOptions) => {
      out(`${await direct(options, signal, progressOf("frames"))}\n`);
    });

  program
    .command("verify")
    .description(
      "Play a rollout, a session, a dataset, a picture, a clip or an action log again; exit 1 where it differs.",
    )
    .argument(
      "<file>",
      "rollout.json, a session, the folder of a dataset, or what the page saved: .png, .mp4, .webm, .jsonl",
    )
    .option("--world <name>", "a world or folder, when the package has moved")
    .option("--threads <integer>", "threads of the engine (default: as recorded)")
    .action(async (path: string, options: VerifyOptions) => {
      const { same, line } = await verify(path, options, signal);
      out(`${line}\n`);
      if (!same) exit(1);
    });

  program
    .command("inspect")
    .description("Print what a file says about where it came from, as JSON (docs/provenance.md).")
    .argument("<file>", "what the page saved, a rollout.json, an .npz, or the folder of a dataset")
    .action(async (path: string) => {
      const { json, warning } = await inspect(path);
      out(json);
      if (warning) error(`warning: ${warning}\n`);
    });

  program
    .command("sign")
    .description("Sign a picture or a clip with your own C2PA certificate (docs/provenance.md).")
    .argument("<file>", "what the page saved: .png or .mp4")
    .requiredOption("--certificate <chain.pem>", "your certificate, then those that it depends on")
    .requiredOption("--key <key.pem>", "its private key")
    .option("--algorithm <algorithm>", "of the key: es256, es384, es512, ps256, ps384, ps512 or ed25519", "es256")
    .option("--timestamp <url>", "of a time-stamping authority; absent: nobody is asked")
    .requiredOption("--out <file>", "gets the signed copy; never a file that is there already")
    .action(async (path: string, options: SignOptions) => {
      out(`${await sign(path, options)}\n`);
    });

  program
    .command("serve")
    .description("Let other programs play over a WebSocket (docs/serve.md); Ctrl-C ends it.")
    .option("--world <names...>", "worlds of assets/worlds, or folders of packages (default: all of assets/worlds)")
    .option("--host <address>", "where to listen", "127.0.0.1")
    .option("--port <integer>", "0 takes a free one", "8787")
    .option("--max-sessions <integer>", "worlds of all clients together", "64")
    .option("--idle <seconds>", "silence after which a client is sent away", "300")
    .option("--engine <engine>", "what runs the network: ort (onnxruntime), own, or auto (the faster, measured)", "ort")
    .option("--precision <precision>", "of our own engine: float32 or int8", "float32")
    .option("--threads <integer>", "threads of the engine", "1")
    .option("--allow-host <names...>", "further Host headers to accept, as name:port")
    .option("--allow-origin <origins...>", "pages to accept, such as http://localhost:5173")
    .action((options: ServeOptions) => serve(options, { out, error, signal }));

  program
    .command("collect")
    .description("Have a policy play episodes; write a dataset of them. Ctrl-C ends the episodes under way first.")
    .requiredOption("--world <name>", "a world of assets/worlds, or the folder of a package")
    .option("--policy <policy>", "random, scripted, onnx:FILE or ws://…", "random")
    .option("--engine <engine>", "what runs the network: ort (onnxruntime) or own", "ort")
    .option("--precision <precision>", "of our own engine: float32 or int8", "float32")
    .requiredOption("--episodes <integer>", "how many, all shards together")
    .requiredOption("--frames <integer>", "frames of an episode")
    .option("--seed <integer>", "with an episode's number it fixes the episode", "0")
    .option("--prompt <words...>", "what the worlds are told, each text for one episode, in turn")
    .option("--format <format>", "lerobot (lossless), mp4 (LeRobot with videos) or npz (training data)", "lerobot")
    .requiredOption("--out <folder>", "gets the dataset")
    .option("--resume", "go on with what was begun in that folder")
    .option("--workers <integer>", "episodes played at once (default: one per core)")
    .option("--shard <i/n>", "only every n-th episode, from the i-th on; `merge` joins the shards")
    .option(
      "--executor <executor>",
      "pool (threads of this machine) or bullmq (`worldloop worker` on any machine)",
      "pool",
    )
    .option("--redis <url>", "where the workers of bullmq are met", "redis://127.0.0.1:6379")
    .option("--watch", "show the worlds as they are played, on a page of this machine whose address is printed")
    .action(async (options: CollectOptions) => {
      const { line, complete } = await runCollect(options, signal, { progress: progressOf("episodes"), tell: error });
      out(`${line}\n`);
      if (!complete) exit(130);
    });

  program
    .command("worker")
    .description("Play episodes for `collect --executor bullmq` until Ctrl-C.")
    .option("--redis <url>", "where the work is found", "redis://127.0.0.1:6379")
    .option("--workers <integer>", "episodes played at once (default: one per core)")
    .action(async (options: WorkerOptions) => {
      out(`${await runWorker(options, signal, out)}\n`);
    });

  program
    .command("merge")
    .description("Make one dataset of the shards of a plan.")
    .argument("<folders...>", "datasets of collect --shard")
    .requiredOption("--out <folder>", "gets the dataset")
    .option("--partial", "though episodes are missing")
    .action(async (folders: string[], options: MergeOptions) => {
      out(`${await merge(folders, options, progressOf("episodes"))}\n`);
    });

  program
    .command("export-session")
    .description("Make a dataset of a session that a person played.")
    .argument(
      "<log>",
      "actions.jsonl, a rollout.json, a session saved in the page, or a share link with the drive in it",
    )
    .option("--world <name>", "of an actions.jsonl: the world it was played in")
    .option("--seed <integer>", "of an actions.jsonl: the seed it was played with")
    .option("--start <integer>", "of an actions.jsonl: the start it began at (default: 0)")
    .option("--format <format>", "npz (training data), lerobot or mp4", "npz")
    .requiredOption("--out <folder>", "gets the dataset")
    .action(async (log: string, options: ExportOptions) => {
      out(`${await exportSession(log, options, signal, progressOf("frames"))}\n`);
    });

  program
    .command("restyle")
    .description("Paint a video anew in a world that takes guides: as many pictures, the same times, the same sound.")
    .requiredOption("--world <name>", "a guided world of assets/worlds, or the folder of a package")
    .requiredOption("--in <video>", "the video: .mp4, .mov, .webm, .mkv")
    .option("--prompt <words>", 'what it shall look like, such as "night, snow"')
    .option("--strength <number>", "how much of the video is followed, 0 to 1", "1")
    .option("--seed <integer>", "seed of all random numbers", "0")
    .option("--start <integer>", "which start of the world", "0")
    .requiredOption("--out <file.mp4>", "gets the video; never a file that is there already")
    .option("--force", "write over a file that is there")
    .option("--engine <engine>", "what runs the network: ort (onnxruntime), own, or auto", "ort")
    .option("--precision <precision>", "of our own engine: float32 or int8", "float32")
    .option("--threads <integer>", "threads of the engine", "2")
    .action(async (options: RestyleOptions) => {
      const { restyle } = await import("./restyle"); // the demuxer is large
      out(`${await restyle(options, signal, progressOf("frames"))}\n`);
    });

  program
    .command("pack")
    .description("Make one zip of a world, to be hosted anywhere and opened by its address; prints what to share.")
    .requiredOption("--world <name>", "a world of assets/worlds, or the folder of a package")
    .option("--out <file.zip>", "the zip (default: the world's name, here)")
    .option("--force", "write over a file that is there")
    .action(async (options: PackOptions) => {
      out(`${await pack(options, signal)}\n`);
    });

  program
    .command("add")
    .description("Bring a world from elsewhere to assets/worlds, where the page, these commands and Python find it.")
    .argument("<where>", "https address of a zip or of a world's folder, or a zip or folder on this machine")
    .option("--sha256 <hex>", "take exactly this package, and no other (as `pack` prints it)")
    .option("--name <name>", "what to call it here (default: its own name)")
    .option("--force", "take the place of another world of that name")
    .action(async (where: string, options: AddOptions) => {
      out(`${await add(where, options, { signal, progress: progressOf("MB") })}\n`);
    });

  return program;
}

/** @param parameters as typed after the program's name. @returns the exit code */
export async function run(parameters: readonly string[], terminal: Terminal): Promise<number> {
  const { error } = terminal;
  let code = 0;
  const program = createProgram(terminal, (exit) => {
    code = exit;
  });
  try {
    await program.parseAsync(parameters, { from: "user" });
    return code;
  } catch (problem) {
    if (problem instanceof CommanderError) return problem.exitCode === 0 ? 0 : 2; // it has said why already
    if (problem instanceof AbortedError) return 130;
    if (!(problem instanceof WorldloopError)) throw problem;
    error(`error: ${plain(problem.message)}\n`);
    return 2;
  }
}

/** No option and no argument may be empty: as a path it would be the current folder, or one that nobody sees. */
function refuseEmpty(command: Command): void {
  const given = command.options.map(
    (option) => [option.flags, command.getOptionValue(option.attributeName())] as const,
  );
  for (const [what, value] of [...given, ["arguments", command.args] as const]) {
    if ([value].flat().some((text) => typeof text === "string" && text.trim() === ""))
      command.error(`error: ${what}: expected a value, got an empty text`);
  }
}
