/** A small plan on the tiny world, for tests. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../../src/cli/program";
import type { Executor } from "../../src/collect/executor";
import type { Plan } from "../../src/collect/plan";
import { openPlayer } from "../../src/collect/player";
import { folderSource } from "../../src/model/folder-source";
import { openPackage } from "../../src/model/package";

export const WORLD = fileURLToPath(new URL("../goldens/tiny-world", import.meta.url));

export async function tinyPlan(changes: Partial<Plan> = {}): Promise<Plan> {
  const { manifest, sha256 } = await openPackage(folderSource(WORLD));
  return {
    ...{ schema: 1, world: manifest.name, folder: WORLD, packageSha256: sha256, policy: "random" },
    ...{ seed: 1, episodes: 5, frames: 6, format: "lerobot", shard: { index: 0, of: 1 }, ...changes },
  };
}

/** Plays in this thread, last episode first. @param before called with each number before it is taken */
export const backwards =
  (before?: (episode: number) => void): Executor =>
  async ({ plan, episodes, take, signal }) => {
    const player = await openPlayer(plan);
    try {
      for (const episode of [...episodes].reverse()) {
        if (signal.aborted) return;
        const packed = await player.play(episode);
        before?.(episode);
        await take(packed);
      }
    } finally {
      await player.close();
    }
  };

/** The command line: exit code and what it said. @param onError hears what goes to stderr at once */
export async function worldloop(
  parameters: readonly string[],
  signal = new AbortController().signal,
  onError: (text: string) => void = () => undefined,
) {
  let [stdout, stderr] = ["", ""];
  const code = await run(parameters, {
    out: (text) => {
      stdout += text;
    },
    error: (text) => {
      stderr += text;
      onError(text);
    },
    signal,
  });
  return { code, stdout, stderr };
}

/** Path → sha256 of all files of a folder. */
export async function contentsOf(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const hashes = files.sort().map(async (path) => {
    const hash = createHash("sha256").update(await readFile(path));
    return [path.slice(folder.length + 1), hash.digest("hex")] as const;
  });
  return Object.fromEntries(await Promise.all(hashes));
}
