/**
 * Thousands of tries, in a process of their own that is watched from outside: one that dies or falls silent is counted,
 * told, and started again behind the try that did it. The last line is JSON; exit 1 when anything crashed, hung or broke a
 * promise. `--seed`, `--count` and `--from` choose the tries, so that any one can be made again alone; `--patience` is in seconds.
 */
import { type ChildProcess, fork } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

/** Seconds of silence that count as a hang; a try takes one, and a process that others starve may take a hundred. */
const PATIENCE = "300";
/** Of the process that tries, its threads' included. What a try leaves behind adds up to more sooner or later. */
const MOST_BYTES = 2e9;

/** What came of one try. */
export interface Tried {
  /** How it was made, for messages. */
  readonly what: string;
  /** In one or two words, to be counted. */
  readonly outcome: string;
  /** How many inputs it was made of; absent: one. */
  readonly inputs?: number;
}

export interface Tries {
  /** @throws whatever has no name: a fault of ours */
  attempt(index: number): Promise<Tried>;
  /** When all are done. @throws as well */
  end?(): Promise<void>;
}

export interface Plan {
  /** The program's file, `import.meta.url`. */
  readonly program: string;
  /** What is tried, for the last line. */
  readonly of: string;
  /** How many by default. */
  readonly count: number;
  /** Further flags and their defaults. */
  readonly flags?: Readonly<Record<string, string>>;
}

/** @param begin gets the seed, the flags and an empty folder that is removed in the end */
export async function runTries(
  plan: Plan,
  begin: (seed: number, flags: Readonly<Record<string, string>>, folder: string) => Promise<Tries>,
): Promise<void> {
  const defaults = { seed: "1", from: "0", count: String(plan.count), patience: PATIENCE, ...plan.flags };
  const { values } = parseArgs({
    options: Object.fromEntries(
      Object.entries(defaults).map(([name, value]) => [name, { type: "string" as const, default: value }]),
    ),
  });
  const flags = values as Record<string, string>;
  if (process.send) await work(flags, begin);
  else await watch(plan, flags);
}

interface Told extends Partial<Tried> {
  readonly index: number;
  readonly fault?: string;
  readonly bytes: number;
  readonly ms: number;
}

async function work(flags: Record<string, string>, begin: Parameters<typeof runTries>[1]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "worldloop-fuzz-"));
  const [from, count] = [Number(flags.from), Number(flags.count)];
  let began = performance.now();
  const tell = (told: Omit<Told, "bytes" | "ms">) => {
    const ms = performance.now() - began;
    process.send?.({ ...told, ms, bytes: process.memoryUsage().rss });
    began = performance.now();
  };
  const faultOf = (error: unknown) => ({ fault: error instanceof Error ? (error.stack ?? error.message) : `${error}` });
  try {
    const tries = await begin(Number(flags.seed), flags, folder);
    began = performance.now();
    for (let index = from; index < from + count; index++) {
      tell({ index, ...(await tries.attempt(index).catch(faultOf)) });
    }
    const broken = await tries.end?.().catch(faultOf);
    if (broken) tell({ index: from + count - 1, ...broken });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  process.exit(0);
}

async function watch({ program, of, count: _, flags: __ }: Plan, flags: Record<string, string>): Promise<void> {
  const [from, count] = [Number(flags.from), Number(flags.count)];
  const outcomes: Record<string, number> = {};
  let [next, inputs, crashes, hangs, faults, most] = [from, 0, 0, 0, 0, 0];
  let slowest = { ms: 0, index: 0 };
  while (next < from + count) {
    const left = { ...flags, from: String(next), count: String(from + count - next) };
    const parameters = Object.entries(left).flatMap(([name, value]) => [`--${name}`, value]);
    const end = await follow(fork(fileURLToPath(program), parameters), 1000 * Number(flags.patience), (told) => {
      next = told.index + 1;
      inputs += told.inputs ?? 1;
      most = Math.max(most, told.bytes);
      if (told.ms > slowest.ms) slowest = { ms: Math.round(told.ms), index: told.index };
      if (told.fault === undefined) outcomes[told.outcome ?? ""] = (outcomes[told.outcome ?? ""] ?? 0) + 1;
      else {
        faults += 1;
        console.log(`${told.index}: ${told.fault}`);
      }
      if ((next - from) % Math.ceil(count / 10) === 0) console.log(`${next - from} of ${count}`);
    });
    if (end === "done") break;
    console.log(`${end} at ${next}`);
    if (end === "hang") hangs += 1;
    else crashes += 1;
    next += 1;
  }
  if (most > MOST_BYTES) {
    faults += 1;
    console.log(`expected at most ${MOST_BYTES / 1e6} MB of memory, got ${Math.round(most / 1e6)}`);
  }
  const peakMB = Math.round(most / 1e6);
  console.log(JSON.stringify({ of, ...flags, inputs, crashes, hangs, faults, peakMB, slowest, outcomes }));
  process.exitCode = crashes + hangs + faults > 0 ? 1 : 0;
}

function follow(
  child: ChildProcess,
  patienceMs: number,
  tell: (told: Told) => void,
): Promise<"done" | "crash" | "hang"> {
  return new Promise((resolve) => {
    const hang = () => {
      child.kill("SIGKILL");
      resolve("hang");
    };
    let timer = setTimeout(hang, patienceMs);
    child.on("message", (told) => {
      clearTimeout(timer);
      timer = setTimeout(hang, patienceMs);
      tell(told as Told);
    });
    child.on("exit", (code) => {
      clearTimeout(timer);
      resolve(code === 0 ? "done" : "crash");
    });
  });
}
