/** What becomes of one mutated package: added, opened and played for two ticks, or refused by a named error. */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { add } from "../../src/cli/add";
import { WorldloopError } from "../../src/errors";
import type { EngineChoice } from "../../src/model/engine-choice";
import { openWorldNode } from "../../src/model/node-runtime";

const SILENT = { show: () => undefined, end: () => undefined };

/** @returns name of the error, or "plays" or "added, " and the error. @throws whatever has no name: a fault of ours */
export async function tryPackage(zip: Uint8Array, folder: string, engine: EngineChoice): Promise<string> {
  const worldsFolder = join(folder, "worlds");
  const file = join(folder, "w.zip");
  writeFileSync(file, zip);
  const before = listing(worldsFolder);
  const added = await add(
    file,
    { name: "fuzzed", force: true },
    { signal: new AbortController().signal, progress: SILENT, worldsFolder },
  ).catch(named);
  if (added instanceof WorldloopError) {
    if (listing(worldsFolder) !== before) throw new Error(`${added.name}, and the folder of worlds has changed`);
    return added.name;
  }
  if (readdirSync(worldsFolder).join() !== "fuzzed") throw new Error("something else was left in the folder of worlds");
  const played = await play(join(worldsFolder, "fuzzed"), engine).catch(named);
  return played instanceof WorldloopError ? `added, ${played.name}` : "plays";
}

async function play(folder: string, engine: EngineChoice): Promise<void> {
  const { world } = await openWorldNode(folder, { engine, threads: 1 });
  try {
    await world.reset({ seed: 1, start: 0 });
    const rest = Float32Array.from(world.manifest.actions, (action) => action.rest);
    for (let tick = 0; tick < 2; tick++) await world.step(rest);
  } finally {
    await world.close();
  }
}

function named(error: unknown): WorldloopError {
  if (error instanceof WorldloopError) return error;
  throw error;
}

/** Names and contents. */
function listing(folder: string): string {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return JSON.stringify(
    entries
      .map((entry) => {
        const path = join(entry.parentPath, entry.name);
        return [path, entry.isFile() ? readFileSync(path).toString("base64") : ""];
      })
      .sort(),
  );
}
