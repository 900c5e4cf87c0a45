/** The process around the command line (`program.ts`): its streams, its exit code, Ctrl-C. */
import { run } from "./program";

const interrupt = new AbortController();
process.once("SIGINT", () => interrupt.abort()); // the folder under way is removed; a second one ends at once

process.exitCode = await run(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  error: (text) => process.stderr.write(text),
  signal: interrupt.signal,
}).catch((fault: unknown) => {
  console.error(fault);
  return 70; // a fault of ours; 1 would say that frames differ
});
