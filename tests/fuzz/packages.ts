/** Thousands of broken packages, each added and played: `npx tsx tests/fuzz/packages.ts --count 5000 --seed 1`. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { folderSource } from "../../src/model/folder-source";
import { readWhole } from "../../src/model/pack";
import { mutate } from "./mutations";
import { runTries } from "./tries";
import { tryPackage } from "./try";

const world = fileURLToPath(new URL("../goldens/tiny-world", import.meta.url));
const plan = { program: import.meta.url, of: "packages", count: 5000, flags: { engine: "ort" } };

await runTries(plan, async (seed, { engine }, folder) => {
  const { files } = await readWhole(folderSource(world));
  mkdirSync(join(folder, "worlds"));
  return {
    async attempt(index) {
      const { what, zip } = mutate(files, seed, index);
      return { what, outcome: await tryPackage(zip, folder, engine === "own" ? "own" : "ort") };
    },
  };
});
