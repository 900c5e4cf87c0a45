/**
 * A thousand broken action logs and two thousand of sessions, rollouts, stories and pictures, each given to every command
 * that reads such files, and to what the page reads them with: `npx tsx tests/fuzz/recordings.ts`. `--only story` has those alone.
 */
import { join } from "node:path";
import { KINDS, mutateFile } from "./files";
import { runTries } from "./tries";
import { soundFiles, tryFile } from "./try-file";

const plan = { program: import.meta.url, of: "recordings", count: 3200, flags: { only: "" } };
await runTries(plan, async (seed, { only = "" }, folder) => {
  const kinds = KINDS.filter((kind) => kind.startsWith(only));
  const sound = await soundFiles(join(folder, "try"));
  return {
    async attempt(index) {
      const mutated = mutateFile(sound, seed, index, kinds);
      const turn = Math.floor(index / kinds.length);
      try {
        return { what: mutated.what, outcome: await tryFile(mutated, join(folder, "try"), turn) };
      } catch (error) {
        throw new Error(`${mutated.what}: ${(error as Error).stack}`, { cause: error });
      }
    },
  };
});
