/**
 * Ten thousand messages, most of them nonsense, to a `worldloop serve` of its own: `npx tsx tests/fuzz/sockets.ts`. A try is
 * a scene of one to four clients at once (`visitors.ts`). Meanwhile a well-behaved client must get the frames that it got
 * before, the server must say nothing on stderr, need no more memory in the end, and end as asked.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { draws } from "./draws";
import { runTries } from "./tries";
import { type Reached, scene, wellBehaved } from "./visitors";

const root = fileURLToPath(new URL("../..", import.meta.url));
/** What a long-running server may need beyond what it began with. */
const MOST_GROWTH = 200e6;

await runTries({ program: import.meta.url, of: "scenes of socket messages", count: 1200 }, async (seed) => {
  const server = await serve();
  const before = await wellBehaved(server);
  let warm = 0;
  return {
    async attempt(index) {
      const tried = await scene(server, draws(seed, index)).catch((error: Error) => {
        throw new Error(`${error.stack}\nserver: ${server.complaints()}`);
      });
      if (server.complaints() !== "") throw new Error(`${tried.what}: the server says ${server.takeComplaints()}`);
      if (index % 10 === 0 && (await wellBehaved(server)) !== before) throw new Error(`${tried.what}: other frames`);
      warm ||= index % 100 === 99 ? memoryOf(server.process) : 0;
      return tried;
    },
    async end() {
      const grown = memoryOf(server.process) - warm;
      if (warm > 0 && grown > MOST_GROWTH) throw new Error(`the server has grown by ${Math.round(grown / 1e6)} MB`);
      server.process.kill("SIGTERM");
      const [code] = await once(server.process, "exit");
      if (code !== 0 || server.complaints() !== "") throw new Error(`ended with ${code}: ${server.complaints()}`);
    },
  };
});

interface Served extends Reached {
  readonly process: ChildProcess;
  complaints(): string;
  takeComplaints(): string;
}

async function serve(): Promise<Served> {
  const world = fileURLToPath(new URL("../goldens/tiny-world", import.meta.url));
  const parameters = ["src/cli/start.mjs", "src/cli/main.ts", "serve", "--world", world, "--port", "0"];
  const child = spawn(process.execPath, parameters, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  process.once("exit", () => child.kill("SIGKILL"));
  let [said, complaints] = ["", ""];
  child.stderr.on("data", (text: Buffer) => {
    complaints += text;
  });
  while (!/OpenEnv/.test(said)) said += (await once(child.stdout, "data"))[0];
  const [, port, token] = /:(\d+)\n.*: (\S+)\n/.exec(said) as RegExpExecArray;
  return {
    ...{ port: Number(port), token: token as string, process: child },
    complaints: () => complaints,
    takeComplaints() {
      const taken = complaints;
      complaints = "";
      return taken;
    },
  };
}

/** Bytes; 0 where the system doesn't tell. */
function memoryOf({ pid }: ChildProcess): number {
  if (process.platform !== "linux") return 0;
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0);
}
