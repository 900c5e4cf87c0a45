/**
 * A thousand broken action logs and another thousand of sessions, rollouts and pictures, each given to every command that
 * reads such files, and to what the page reads them with: `npx tsx tests/fuzz/recordings.ts`.
 */
import { join } from "node:path";
import { mutateFile } from "./files";
import { runTries } from "./tries";
import { soundFiles, tryFile } from "./try-file";

await runTries({ program: import.meta.url, of: "recordings", count: 2600 }, async (seed, _, folder) => {
  const sound = await soundFiles(join(folder, "try"));
  return {
    async attempt(index) {
      const mutated = mutateFile(sound, seed, index);
      try {
        return { what: mutated.what, outcome: await tryFile(mutated, join(folder, "try"), Math.floor(index / 13)) };
      } catch (error) {
        throw new Error(`${mutated.what}: ${(error as Error).stack}`, { cause: error });
      }
    },
  };
});
