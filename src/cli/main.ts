/** The process around the command line (`program.ts`): its streams, its exit code, Ctrl-C. */
import { run } from "./program";

const interrupt = new AbortController();
// Ctrl-C, or a cluster that wants its machine back: a command ends what it has begun, or undoes it; a second one kills.
for (const name of ["SIGINT", "SIGTERM"]) process.once(name, () => interrupt.abort());

process.exitCode = await run(process.argv.slice(2), {
  out: (text) => process.stdout.write(text),
  error: (text) => process.stderr.write(text),
  signal: interrupt.signal,
}).catch((fault: unknown) => {
  console.error(fault);
  return 70; // a fault of ours; 1 would say that frames differ
});
