/** Writes what the site shows and nobody writes by hand: the reference, tables of measurements, posters of the worlds. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { encode } from "fast-png";
import { benchmarkTables, worldNames } from "./benchmarks";
import { cliPage } from "./cli";
import { manifestPage } from "./manifest";
import { pythonPage } from "./python";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const OUT = join(ROOT, "docs/reference");
export const PUBLIC = join(ROOT, ".cache/docs"); // files that the site serves as they are

export async function generate(): Promise<void> {
  rmSync(OUT, { recursive: true, force: true });
  mkdirSync(OUT, { recursive: true });
  writeFileSync(join(OUT, "cli.md"), cliPage());
  writeFileSync(join(OUT, "manifest.md"), manifestPage());
  writeFileSync(join(OUT, "python.md"), pythonPage());
  writeFileSync(join(OUT, "measured.md"), benchmarkTables());
  writePosters();
  await typescriptPages();
}

/** Imported only here: typedoc and its TypeScript come with the docs' own workspace. */
async function typescriptPages(): Promise<void> {
  const { Application } = await import("typedoc");
  const app = await Application.bootstrapWithPlugins({ options: join(ROOT, "docs/typedoc.json") });
  const project = await app.convert();
  if (!project) throw new Error("TypeScript API: typedoc could not read the sources, see above.");
  await app.generateOutputs(project);
  const pages = readdirSync(join(OUT, "typescript"));
  if (pages.length < 7)
    throw new Error(`TypeScript API: expected a page for each entry point, got ${pages.join(", ")}.`);
}

/** The first picture of each world, shown until it is started. */
function writePosters(): void {
  mkdirSync(join(PUBLIC, "posters"), { recursive: true });
  for (const name of worldNames()) {
    const folder = join(ROOT, "assets/worlds", name);
    const { picture, starts } = JSON.parse(readFileSync(join(folder, "world.json"), "utf8"));
    const data = new Uint8Array(readFileSync(join(folder, starts[0].picture)));
    writeFileSync(join(PUBLIC, "posters", `${name}.png`), encode({ ...picture, data, channels: 3 }));
  }
}
