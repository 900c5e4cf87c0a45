/**
 * Runs a TypeScript program of this repository, `node src/cli/start.mjs PROGRAM …`, and says what to run where its packages
 * aren't installed: playing doesn't need them.
 */
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const [program = "", ...parameters] = process.argv.slice(2);
process.argv = [process.argv[0] ?? "node", resolve(program), ...parameters];
try {
  const { register } = await import("tsx/esm/api");
  register();
  await import(pathToFileURL(resolve(program)).href);
} catch (error) {
  const missing = error instanceof Error && /Cannot find package '([^']+)'/.exec(error.message)?.[1];
  if (!missing) throw error;
  console.error(`error: expected the packages of the command line, got none called ${missing}; run: npm run setup`);
  process.exitCode = 2;
}
