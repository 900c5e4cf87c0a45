/**
 * Thousands of broken packages, each added and played: `npx tsx tests/fuzz/packages.ts --count 5000 --seed 1`. A process of
 * its own does it and is watched from outside: one that dies or falls silent is counted, told, and started again behind
 * the package that did it. The last line is JSON; exit 1 when anything crashed, hung or left half a world.
 */
import { type ChildProcess, fork } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { folderSource } from "../../src/model/folder-source";
import { readWhole } from "../../src/model/pack";
import { mutate } from "./mutations";
import { tryPackage } from "./try";

/** Of one package; a sound one takes a second on a busy machine. */
const PATIENCE_MS = 120_000;
const world = fileURLToPath(new URL("../goldens/tiny-world", import.meta.url));

interface Told {
  readonly index: number;
  readonly what: string;
  readonly outcome?: string;
  readonly fault?: string;
}

if (process.send) await work();
else await watch();

async function work(): Promise<void> {
  const [seed, first, end, engine] = process.argv.slice(2) as [string, string, string, "own" | "ort"];
  const { files } = await readWhole(folderSource(world));
  const folder = mkdtempSync(join(tmpdir(), "worldloop-fuzz-"));
  mkdirSync(join(folder, "worlds"));
  try {
    for (let index = Number(first); index < Number(end); index++) {
      const { what, zip } = mutate(files, Number(seed), index);
      const told = await tryPackage(zip, folder, engine).then(
        (outcome) => ({ outcome }),
        (error: Error) => ({ fault: error.stack ?? String(error) }),
      );
      process.send?.({ index, what, ...told } satisfies Told);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  process.exit(0);
}

async function watch(): Promise<void> {
  const { values } = parseArgs({
    options: {
      count: { type: "string", default: "5000" },
      seed: { type: "string", default: "1" },
      from: { type: "string", default: "0" },
      engine: { type: "string", default: "ort" },
    },
  });
  const [from, count] = [Number(values.from), Number(values.count)];
  const outcomes: Record<string, number> = {};
  let [next, crashes, hangs, faults] = [from, 0, 0, 0];
  while (next < from + count) {
    const child = fork(fileURLToPath(import.meta.url), [
      values.seed,
      String(next),
      String(from + count),
      values.engine,
    ]);
    const end = await follow(child, ({ index, what, outcome, fault }) => {
      next = index + 1;
      if (fault === undefined) outcomes[outcome ?? ""] = (outcomes[outcome ?? ""] ?? 0) + 1;
      else {
        faults += 1;
        console.log(`${what}: ${fault}`);
      }
      if (next % 500 === 0) console.log(`${next - from} of ${count}`);
    });
    if (end === "done") break;
    console.log(`${end} at package ${next}`);
    if (end === "hang") hangs += 1;
    else crashes += 1;
    next += 1;
  }
  console.log(
    JSON.stringify({
      seed: Number(values.seed),
      engine: values.engine,
      packages: count,
      crashes,
      hangs,
      faults,
      outcomes,
    }),
  );
  process.exitCode = crashes + hangs + faults > 0 ? 1 : 0;
}

function follow(child: ChildProcess, tell: (told: Told) => void): Promise<"done" | "crash" | "hang"> {
  return new Promise((resolve) => {
    const hang = () => {
      child.kill("SIGKILL");
      resolve("hang");
    };
    let timer = setTimeout(hang, PATIENCE_MS);
    child.on("message", (told) => {
      clearTimeout(timer);
      timer = setTimeout(hang, PATIENCE_MS);
      tell(told as Told);
    });
    child.on("exit", (code) => {
      clearTimeout(timer);
      resolve(code === 0 ? "done" : "crash");
    });
  });
}
