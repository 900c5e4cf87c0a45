/** The direction of dependencies (CONTRIBUTING.md) is a lint rule in biome.json: here, that the rule bites. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { afterAll, expect, test } from "vitest";

const biome = resolve("node_modules/.bin/biome");
const folder = mkdtempSync(join(tmpdir(), "worldloop-direction-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** file, what it imports, whether it may */
const cases: readonly (readonly [file: string, imported: string, allowed: boolean])[] = [
  ["src/model/a.ts", "../errors", true],
  ["src/model/b.ts", "../action/action", true],
  ["src/model/c.ts", "../action/keyboard", false],
  ["src/model/d.ts", "../view/view", false],
  ["src/model/e.ts", "three", false],
  ["src/model/f.ts", "node:fs", false],
  ["src/model/node-a.ts", "node:fs", true],
  ["src/model/node-b.ts", "../page/hud", false],
  ["src/engine/a.ts", "../errors", true],
  ["src/engine/b.ts", "../model/manifest", false],
  ["src/engine/c.ts", "node:fs", false],
  ["src/engine/kernels/d.ts", "../../model/package", false],
  ["src/action/a.ts", "rxjs", true],
  ["src/action/action.ts", "rxjs", false],
  ["src/action/b.ts", "../loop/game-loop", false],
  ["src/loop/a.ts", "../model/world", true],
  ["src/loop/b.ts", "../view/view", false],
  ["src/loop/c.ts", "../record/clip", false],
  ["src/view/a.ts", "../loop/game-loop", false],
  ["src/view/b.ts", "../page/hud", false],
  ["src/record/action-log.ts", "mediabunny", false],
  ["src/record/a.ts", "mediabunny", true],
  ["src/page/a.ts", "../loop/game-loop", true],
  ["src/page/b.ts", "../cli/rollout", false],
  ["src/page/c.ts", "../main", false],
  ["src/page/d.ts", "../serve/server", false],
  ["src/serve/a.ts", "node:http", true],
  ["src/serve/b.ts", "../loop/game-loop", false],
  ["src/dataset/a.ts", "node:fs", true],
  ["src/dataset/b.ts", "../collect/plan", false],
  ["src/collect/a.ts", "../dataset/dataset", true],
  ["src/collect/b.ts", "../cli/program", false],
  ["src/cli/a.ts", "node:fs", true],
  ["src/cli/b.ts", "../page/hud", false],
  ["src/main.ts", "./page/hud", true],
  ["workers/a.ts", "../src/model/world", true],
  ["workers/b.ts", "../src/action/keyboard", false],
];

test("imports against the direction are refused, others aren't", () => {
  cpSync("biome.json", join(folder, "biome.json"));
  for (const [file, imported] of cases) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), `export * as all from "${imported}";\n`);
  }
  const only = ["lint", "--only=style/noRestrictedImports", "--max-diagnostics=none", "--colors=off", "."];
  const { stdout, stderr } = spawnSync(biome, only, { cwd: folder, encoding: "utf8" });
  const refused = [...`${stdout}${stderr}`.matchAll(/^(\S+):\d+:\d+ lint\/style\/noRestrictedImports/gm)].map(
    (m) => m[1],
  );
  expect(refused.sort()).toEqual(
    cases
      .filter(([, , allowed]) => !allowed)
      .map(([file]) => file)
      .sort(),
  );
});
